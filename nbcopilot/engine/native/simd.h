/* The few vector operations that the kernels need, for AVX-512 (VNNI) and for AVX2 (with or without VNNI).
 *
 * A vector has LANES floats. Sums are always taken in the same order, so a result never depends on what else
 * is computed in the same call; contraction is off and every fused multiply-add is written out.
 */
#ifndef NBC_SIMD_H
#define NBC_SIMD_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VNNI__) && !defined(NBC_PLAIN_AVX2)

#define LANES 16
#define ISA "avx512-vnni"
typedef __m512 vf;
typedef __m512i vi;
INLINE vf vf_zero(void) { return _mm512_setzero_ps(); }
INLINE vf vf_set(float x) { return _mm512_set1_ps(x); }
INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf vf_abs(vf a) { return _mm512_abs_ps(a); }
INLINE float vf_sum(vf a) { return _mm512_reduce_add_ps(a); }
INLINE float vf_peak(vf a) { return _mm512_reduce_max_ps(a); }
INLINE vf vf_halves(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE void vf_store_halves(uint16_t *p, vf a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE vf vf_from_int(vi a) { return _mm512_cvtepi32_ps(a); }
INLINE vi vf_round(vf a) { return _mm512_cvtps_epi32(a); }
INLINE vf vf_pow2(vi n) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23)); }
INLINE vi vi_zero(void) { return _mm512_setzero_si512(); }
INLINE vi vi_set(int x) { return _mm512_set1_epi32(x); }
INLINE vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
INLINE vi vi_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE vi vi_low4(vi a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
INLINE vi vi_high4(vi a) { return _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(15)); }
INLINE void vi_store_bytes(int8_t *p, vi a) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a)); }
INLINE int vi_sum(vi a) { return _mm512_reduce_add_epi32(a); }
INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
/* Weights are bytes w with an offset of 128. Of one input word (four signed bytes, in every lane) `vi_input` makes
 * what `vi_dot` needs; `vi_start(sum of the inputs)` is where the sum begins, so that it ends as that of w - 128. */
typedef struct { vi x; } input;
INLINE input vi_input(int word) { return (input){_mm512_set1_epi32(word)}; }
INLINE vi vi_start(int sum) { return _mm512_set1_epi32(-128 * sum); }
INLINE vi vi_weights(const uint8_t *p) { return vi_load(p); }
INLINE vi vi_dot(vi acc, vi w, input in) { return _mm512_dpbusd_epi32(acc, w, in.x); }
/* The same for weights of 0..15 without an offset. */
INLINE vi vi_dot4(vi acc, vi w, input in) { return _mm512_dpbusd_epi32(acc, w, in.x); }
/* lanes i of a where first + i <= last, `other` elsewhere */
INLINE vf vf_keep_until(vf a, int first, int last, float other) {
    int count = last - first + 1;
    __mmask16 keep = count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
    return _mm512_mask_blend_ps(keep, _mm512_set1_ps(other), a);
}

#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#define LANES 8
typedef __m256 vf;
typedef __m256i vi;
INLINE vf vf_zero(void) { return _mm256_setzero_ps(); }
INLINE vf vf_set(float x) { return _mm256_set1_ps(x); }
INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
INLINE float vf_sum(vf a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
INLINE float vf_peak(vf a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
INLINE vf vf_halves(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INLINE void vf_store_halves(uint16_t *p, vf a) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE vf vf_from_int(vi a) { return _mm256_cvtepi32_ps(a); }
INLINE vi vf_round(vf a) { return _mm256_cvtps_epi32(a); }
INLINE vf vf_pow2(vi n) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23)); }
INLINE vi vi_zero(void) { return _mm256_setzero_si256(); }
INLINE vi vi_set(int x) { return _mm256_set1_epi32(x); }
INLINE vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
INLINE vi vi_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE vi vi_low4(vi a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
INLINE vi vi_high4(vi a) { return _mm256_and_si256(_mm256_srli_epi16(a, 4), _mm256_set1_epi8(15)); }
INLINE void vi_store_bytes(int8_t *p, vi a) {
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(words, words));
}
INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
INLINE int vi_sum(vi a) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
#if !defined(NBC_PLAIN_AVX2) && (defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__)))
#define ISA "avx2-vnni"
#if defined(__AVXVNNI__)
#define DPBUSD _mm256_dpbusd_avx_epi32
#else
#define DPBUSD _mm256_dpbusd_epi32
#endif
typedef struct { vi x; } input;
INLINE input vi_input(int word) { return (input){_mm256_set1_epi32(word)}; }
INLINE vi vi_start(int sum) { return _mm256_set1_epi32(-128 * sum); }
INLINE vi vi_weights(const uint8_t *p) { return vi_load(p); }
INLINE vi vi_dot(vi acc, vi w, input in) { return DPBUSD(acc, w, in.x); }
INLINE vi vi_dot4(vi acc, vi w, input in) { return DPBUSD(acc, w, in.x); }
#else
#define ISA "avx2"
/* Products of pairs are summed in 16 bits, which bytes above 127 would saturate: |x| times the weight with the
 * sign of x never does (127 * 127 * 2 < 2^15). */
typedef struct { vi x, size; } input;
INLINE input vi_input(int word) {
    vi x = _mm256_set1_epi32(word);
    return (input){x, _mm256_abs_epi8(x)};
}
INLINE vi vi_start(int sum) { (void)sum; return vi_zero(); }
INLINE vi vi_weights(const uint8_t *p) { return _mm256_xor_si256(vi_load(p), _mm256_set1_epi8(-128)); }
INLINE vi vi_pairs(vi acc, vi pairs) { return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))); }
INLINE vi vi_dot(vi acc, vi w, input in) { return vi_pairs(acc, _mm256_maddubs_epi16(in.size, _mm256_sign_epi8(w, in.x))); }
INLINE vi vi_dot4(vi acc, vi w, input in) { return vi_pairs(acc, _mm256_maddubs_epi16(w, in.x)); }
#endif
INLINE vf vf_keep_until(vf a, int first, int last, float other) {
    vi lane = _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    vi drop = _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(last));
    return _mm256_blendv_ps(a, _mm256_set1_ps(other), _mm256_castsi256_ps(drop));
}

#else
#error "needs AVX2 with FMA and F16C"
#endif

/* e^x for x <= 0 (and up to 80), relative error below 2e-7; below -87 gives 1e-38. Cody-Waite reduction, degree 6. */
INLINE vf vf_exp(vf x) {
    x = vf_max(x, vf_set(-87.0f));
    vi n = vf_round(vf_mul(x, vf_set(1.44269504088896341f)));
    vf k = vf_from_int(n);
    vf r = vf_fma(k, vf_set(-0.693359375f), x);
    r = vf_fma(k, vf_set(2.12194440e-4f), r);
    vf p = vf_set(1.0f / 720);
    p = vf_fma(p, r, vf_set(1.0f / 120));
    p = vf_fma(p, r, vf_set(1.0f / 24));
    p = vf_fma(p, r, vf_set(1.0f / 6));
    p = vf_fma(p, r, vf_set(0.5f));
    p = vf_fma(p, r, vf_set(1.0f));
    p = vf_fma(p, r, vf_set(1.0f));
    return vf_mul(p, vf_pow2(n));
}

#endif
