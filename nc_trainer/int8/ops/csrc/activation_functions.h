// Activations on vectors. V has: type, set(float), sub, mul, div, abs, fma(a, b, c) = a * b + c, min and max (which return
// their second operand if one is NaN), sign_where_beyond(z, limit, inside): the sign of z where |z| >= limit, and
// lookup(table, number): an element of a table of 16, by the lowest four bits of the numbers.
//
// erf and tanh are rational functions z * P(z^2) / Q(z^2), fitted by weighted least squares (Lawson's algorithm) and
// evaluated with fused multiply-adds: below 4e-7 from the true value in fp32, and exactly 1 or -1 outside the fit.
#pragma once

#include "activation.h"
#include "gelu_pieces.h"

namespace nc_trainer {
namespace {

template <class V>
struct Activations {
  using T = typename V::type;

  template <Activation A>
  static T apply(T x) {
#define NC_TRAINER_CASE(name) \
  if constexpr (A == Activation::name) return name(x);
    NC_TRAINER_ACTIVATIONS(NC_TRAINER_CASE)
#undef NC_TRAINER_CASE
  }

  // For results that are rounded to bf16: within 1/11 of its last place, or 2e-6 of max(1, |y|).
  template <Activation A>
  static T apply_for_bfloat16(T x) {
    if constexpr (A == Activation::gelu) return relu_minus<V>(x, kGeluPieces);
    if constexpr (A == Activation::gelu_tanh) return relu_minus<V>(x, kGeluTanhPieces);
    return apply<A>(x);
  }

  template <int N>
  static T polynomial(T x, const float (&c)[N]) {
    T y = V::set(c[N - 1]);
#pragma GCC unroll 8
    for (int i = N - 2; i >= 0; --i) y = V::fma(y, x, V::set(c[i]));
    return y;
  }

  // z * P(z^2) / Q(z^2) within [-limit, limit], the sign of z outside, NaN for NaN.
  template <int N, int M>
  static T odd_rational(T z, float limit, const float (&p)[N], const float (&q)[M]) {
    const T inside = V::min(V::set(limit), V::max(V::set(-limit), z));
    const T square = V::mul(inside, inside);
    const T y = V::div(V::mul(inside, polynomial(square, p)), polynomial(square, q));
    return V::sign_where_beyond(z, limit, y);
  }

  static T erf(T z) {
    static constexpr float p[] = {1.12837901f,    0.194036512f,    0.053207166f,
                                  0.00391735128f, 0.000287601049f, 2.01173214e-06f};
    static constexpr float q[] = {1.0f,           0.505291869f,    0.11559109f,
                                  0.0152707707f, 0.00119820827f, 3.78396239e-05f};
    return odd_rational(z, 3.95f, p, q);
  }

  static T half_times_one_plus(T x, T t) {
    const T half = V::mul(V::set(0.5f), x);
    return V::fma(half, t, half);
  }

  static T none(T x) { return x; }

  static T tanh(T z) {
    static constexpr float p[] = {0.999999906f, 0.133731982f, 0.00348658242f, 2.04718376e-05f, 1.3184231e-08f};
    static constexpr float q[] = {1.0f, 0.46706495f, 0.0258419813f, 0.000327138618f, 7.70266697e-07f};
    return odd_rational(z, 9.0f, p, q);
  }

  static T gelu(T x) { return half_times_one_plus(x, erf(V::mul(x, V::set(0.70710678f)))); }

  static T gelu_tanh(T x) {
    const T cubic = V::mul(x, V::fma(V::mul(x, x), V::set(0.044715f * 0.79788456f), V::set(0.79788456f)));
    return half_times_one_plus(x, tanh(cubic));
  }

  static T quick_gelu(T x) { return half_times_one_plus(x, tanh(V::mul(x, V::set(0.851f)))); }

  static T silu(T x) { return half_times_one_plus(x, tanh(V::mul(x, V::set(0.5f)))); }

  static T relu(T x) { return V::max(V::set(0.0f), x); }
};

}  // namespace
}  // namespace nc_trainer
