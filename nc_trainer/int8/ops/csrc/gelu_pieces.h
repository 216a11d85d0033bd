// gelu for outputs that are rounded to bf16: no division, and nothing that bf16 could show is lost.
//
// gelu(x) = max(x, 0) - f(|x|) with f(a) = a * (1 - Phi(a)), which falls to nothing: on each of 16 intervals of |x| a
// polynomial of degree 4, whose coefficients are looked up. They are the best in error relative to f (linear programming
// on 600 Chebyshev nodes of each interval). Before it is rounded the result is within 1/11 of a unit in the last place of
// bf16 where |y| > 3e-6, and within 2e-8 below; gelu(x) is exactly 0 for x <= -6. Both forms of gelu have such an f.
#pragma once

namespace nc_trainer {
namespace {

constexpr int kPieces = 16, kPieceTerms = 5;
constexpr float kPiecesPerUnit = 2.5f;  // piece i is for |x| * 2.5 within 0.5 of i

// coefficient[k][i] of the k-th power of |x| * 2.5 - i.
using Pieces = float[kPieceTerms][kPieces];

alignas(64) constexpr Pieces kGeluPieces = {
    {0.0f, 0.137831405f, 0.169484317f, 0.138083607f, 0.0876789093f, 0.0455003269f, 0.0196741279f, 0.00715437299f,
     0.00219883258f, 0.000572780904f, 0.000126679224f, 2.38129178e-05f, 3.80755637e-06f, 5.18178751e-07f,
     6.00243766e-08f, 0.0f},
    {0.200000033f, 0.078912124f, -0.00795471482f, -0.0471797846f, -0.0490706302f, -0.0340944454f, -0.018220773f,
     -0.00784349535f, -0.00277666817f, -0.000817358668f, -0.000201386472f, -4.17069241e-05f, -7.28073792e-06f,
     -1.07309847e-06f, -1.33815249e-07f, -3.93019718e-07f},
    {-0.0638322681f, -0.0542123206f, -0.0315188579f, -0.00870005414f, 0.00496753445f, 0.00863651745f, 0.00673509156f,
     0.00369793782f, 0.0015719136f, 0.000536846113f, 0.000150074789f, 3.47131536e-05f, 6.68037728e-06f,
     1.07243932e-06f, 1.44912931e-07f, -3.77159427e-06f},
    {1.2763614e-05f, 0.00596981961f, 0.00823579542f, 0.00633672019f, 0.00274265395f, 2.83146055e-05f,
     -0.000991831766f, -0.000903822191f, -0.000509741192f, -0.000212955812f, -6.98455769e-05f, -1.84760393e-05f,
     -4.00300451e-06f, -7.19187312e-07f, -1.07220657e-07f, -1.21334042e-05f},
    {0.00167245429f, 0.00114812411f, -1.68692022e-05f, -0.000821262191f, -0.000861051725f, -0.000452966255f,
     -7.22024051e-05f, 8.87661372e-05f, 9.29128655e-05f, 5.17849185e-05f, 2.05114939e-05f, 6.24593395e-06f,
     1.551232e-06f, 3.24889072e-07f, 5.32521938e-08f, -1.21115991e-05f}};

alignas(64) constexpr Pieces kGeluTanhPieces = {
    {0.0f, 0.137838945f, 0.169568315f, 0.13829723f, 0.0878630802f, 0.0454023667f, 0.019276889f, 0.00668890588f,
     0.00186955673f, 0.000412567722f, 7.02383404e-05f, 8.99916722e-06f, 8.46447108e-07f, 5.68958072e-08f,
     2.66327627e-09f, 0.0f},
    {0.200000033f, 0.0789405778f, -0.00782908779f, -0.0470888987f, -0.0492412001f, -0.0344413333f, -0.018425012f,
     -0.0077836765f, -0.00259716972f, -0.000675130927f, -0.000133972731f, -1.98260768e-05f, -2.13165731e-06f,
     -1.62479878e-07f, -8.54432436e-09f, -5.70733327e-09f},
    {-0.0638323054f, -0.0541748442f, -0.0314802788f, -0.00878533721f, 0.00482318411f, 0.008628048f, 0.00686525181f,
     0.00380632724f, 0.00158377399f, 0.000499550777f, 0.000118179843f, 2.05862762e-05f, 2.5561551e-06f,
     2.23992345e-07f, 1.34331275e-08f, -5.34154587e-08f},
    {1.30526396e-05f, 0.00598572241f, 0.00821257569f, 0.00629252149f, 0.00275810761f, 8.78994906e-05f,
     -0.000971115194f, -0.000931674789f, -0.000537374872f, -0.000218220128f, -6.40843209e-05f, -1.35458558e-05f,
     -2.04562639e-06f, -2.14302844e-07f, -1.53123914e-08f, -1.73160487e-07f},
    {0.00168020546f, 0.00114531943f, -2.95448845e-05f, -0.000815227977f, -0.000842299196f, -0.000453469373f,
     -8.72778619e-05f, 8.29694036e-05f, 9.78090684e-05f, 5.62279311e-05f, 2.10292619e-05f, 5.36706557e-06f,
     1.0560783e-06f, 1.30279929e-07f, 1.07868692e-08f, -1.71695049e-07f}};

// V: see activation_functions.h. NaN for NaN.
template <class V>
typename V::type relu_minus(typename V::type x, const Pieces& pieces) {
  using T = typename V::type;
  const T round = V::set(12582912.0f);  // 1.5 * 2^23: added to a small number, it leaves an integer in the lowest bits
  const T a = V::min(V::set((kPieces - 1) / kPiecesPerUnit), V::abs(x));
  const T number = V::fma(a, V::set(kPiecesPerUnit), round);
  const T distance = V::fma(a, V::set(kPiecesPerUnit), V::sub(round, number));
  T y = V::lookup(pieces[kPieceTerms - 1], number);
#pragma GCC unroll 4
  for (int k = kPieceTerms - 2; k >= 0; --k) y = V::fma(y, distance, V::lookup(pieces[k], number));
  return V::sub(V::max(V::set(0.0f), x), y);
}

}  // namespace
}  // namespace nc_trainer
