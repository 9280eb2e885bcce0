// What engines of the two-layer network share: observing neurons that are stored by columns.
#pragma once

#include "synthetic/engine/engine.h"

namespace unlazy::synthetic {

/// Sizes every vector of `out` for m neurons and d inputs.
void resize(Observation& out, int64_t m, int64_t d);

/// Fills norm, align, cos, a, distance of neurons first, ..., first + count - 1 from blocks of
/// columns: entry i of column j of the weights at `now` + j ld + i, and of the weights less those
/// at the start at `change` + j ld + i.
void observe_block(const double* now, const double* change, int64_t ld, int64_t first,
                   int64_t count, const Problem& problem, Observation& out);

/// Fills theta and spectrum from the columns [d + 1, ld] of `rows` neurons (or of Y, which has the
/// same ones).
void observe_whole(const double* columns, int64_t ld, const Problem& problem, Observation& out);

/// Singular values of the d columns, largest first: roots of the eigenvalues of W^T W, which LAPACK
/// finds.
std::vector<double> singular_values(const double* columns, int64_t ld, int64_t d);

/// -> cos in [-1, 1]
double cosine(double align, double norm, double teacher_norm);

}  // namespace unlazy::synthetic
