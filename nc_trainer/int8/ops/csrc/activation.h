// The activations that an int8 layer applies to its outputs: the one table of them in C++.
//
// To add one: a line here, a function of its name in activation_functions.h, and a line in ops/activations.py.
#pragma once

#define NC_TRAINER_ACTIVATIONS(X) \
  X(none)                         \
  X(gelu)                         \
  X(gelu_tanh)                    \
  X(quick_gelu)                   \
  X(relu)                         \
  X(silu)                         \
  X(tanh)

namespace nc_trainer {

#define NC_TRAINER_ENUMERATOR(name) name,
enum class Activation { NC_TRAINER_ACTIVATIONS(NC_TRAINER_ENUMERATOR) };
#undef NC_TRAINER_ENUMERATOR

namespace {

// Calls `body.template operator()<A>()` with the activation as a constant.
template <class Body>
void with_activation(Activation activation, const Body& body) {
  switch (activation) {
#define NC_TRAINER_CASE(name) \
  case Activation::name: return body.template operator()<Activation::name>();
    NC_TRAINER_ACTIVATIONS(NC_TRAINER_CASE)
#undef NC_TRAINER_CASE
  }
}

}  // namespace
}  // namespace nc_trainer
