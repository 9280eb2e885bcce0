// Thin QR by Householder reflections, in place: U = Q R, with Q^T Q = I to rounding for any
// condition of U (Golub and Van Loan, 5.2). It works in place because Q is the largest array of a
// run: at 10^6 neurons of dimension 20 it holds 168 MB.
#pragma once

#include <cstdint>

#include "synthetic/engine/buffer.h"

namespace unlazy::synthetic {

/// Replaces `columns` (k columns of m >= k entries, column j at j ld) by Q. Returns R [k columns of
/// `r_ld` entries], upper triangular with entry (i, j) at j r_ld + i. Costs 4 m k^2.
Buffer thin_qr(double* columns, int64_t m, int64_t k, int64_t ld, int64_t r_ld);

}  // namespace unlazy::synthetic
