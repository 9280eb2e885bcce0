// The common part of the two-layer engines: observing neurons that are stored by columns.
#pragma once

#include "synthetic/engine/engine.h"

namespace unlazy::synthetic {

/// Sizes every vector of `out` for m neurons and d inputs.
void resize(Observation& out, int64_t m, int64_t d);

/// Fills norm, align, cos, a, distance of neurons first, ..., first + count - 1 from two blocks of
/// columns. Entry i of column j is at j ld + i: in `now` the weights, in `change` the weights minus
/// the initial weights.
void observe_block(const double* now, const double* change, int64_t ld, int64_t first,
                   int64_t count, const Problem& problem, Observation& out);

/// Fills theta and spectrum from the columns [d + 1, ld] of `rows` neurons. Y in place of the
/// weights gives the same result.
void observe_whole(const double* columns, int64_t ld, const Problem& problem, Observation& out);

/// Singular values of the d columns, largest first: roots of the eigenvalues of W^T W, which LAPACK
/// finds.
std::vector<double> singular_values(const double* columns, int64_t ld, int64_t d);

/// The cosine, clamped to [-1, 1].
double cosine(double align, double norm, double teacher_norm);

}  // namespace unlazy::synthetic
