// AVX-VNNI: vpdpbusd on 256 bits, for CPUs without AVX-512. -DNC_EMULATE_AVX_VNNI runs it without the instruction.
#include "int8_avx2.h"

namespace nc_trainer {
namespace {

#ifdef NC_EMULATE_AVX_VNNI
__m256i Bytes::dot(__m256i sum, __m256i weights, __m256i codes) {
  const __m256i even_bytes = _mm256_set1_epi16(0xff);
  const __m256i low = _mm256_madd_epi16(_mm256_and_si256(weights, even_bytes),
                                        _mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 8));
  const __m256i high = _mm256_madd_epi16(_mm256_srli_epi16(weights, 8), _mm256_srai_epi16(codes, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(low, high));
}
#else
__m256i Bytes::dot(__m256i sum, __m256i weights, __m256i codes) {
  return _mm256_dpbusd_avx_epi32(sum, weights, codes);
}
#endif

}  // namespace

const Kernels& avx_vnni_kernels() { return kTable<Bytes>; }

}  // namespace nc_trainer
