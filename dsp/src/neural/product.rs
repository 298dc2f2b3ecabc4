//! Matrix of 8-bit weights times a vector of 16 bits: where the network spends its time.
//!
//! Products of neighbours are added in one instruction wherever there are vectors (`pmaddwd`, `i32x4.dot_i16x8`). Four
//! rows share what is read of the input. Sums are 32-bit integers, so that every build gives the same numbers:
//! 127 × 32767 × [`WIDEST`] fits.

/// Columns are a multiple of this.
pub(super) const LANES: usize = 16;
/// Most columns.
pub(super) const WIDEST: usize = 512;

/// Writes the sum of each row of `columns` weights times the input.
///
/// Rows that are not whole, and sums for which there is no row, are left out; with `columns` that is no multiple of
/// [`LANES`], or an input that is shorter, nothing is written.
pub(super) fn product(weights: &[i8], columns: usize, input: &[i16], sums: &mut [i32]) {
    if columns == 0 || !columns.is_multiple_of(LANES) || input.len() < columns {
        return;
    }
    let input = &input[..columns];
    let quads = (sums.len() / 4).min(weights.len() / (4 * columns));
    let (blocks, rows) = weights.split_at(quads * 4 * columns);
    let (quads, rest) = sums.split_at_mut(quads * 4);
    for (block, quad) in blocks.chunks_exact(4 * columns).zip(quads.chunks_exact_mut(4)) {
        quad.copy_from_slice(&four(block, input));
    }
    for (row, sum) in rows.chunks_exact(columns).zip(rest) {
        *sum = one(row, input);
    }
}

fn one(row: &[i8], input: &[i16]) -> i32 {
    row.iter().zip(input).map(|(weight, x)| i32::from(*weight) * i32::from(*x)).sum()
}

#[cfg(target_arch = "x86_64")]
fn four(block: &[i8], input: &[i16]) -> [i32; 4] {
    if input.len().is_multiple_of(32) && std::is_x86_feature_detected!("avx512bw") {
        // SAFETY: the processor has the feature, as was just asked.
        return unsafe { four_avx512(block, input) };
    }
    if crate::simd::has_avx2() {
        // SAFETY: the processor has the feature, as was just asked.
        return unsafe { four_avx2(block, input) };
    }
    four_plain(block, input)
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
fn four(block: &[i8], input: &[i16]) -> [i32; 4] {
    four_plain(block, input)
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
fn four_plain(block: &[i8], input: &[i16]) -> [i32; 4] {
    let mut rows = block.chunks_exact(input.len());
    std::array::from_fn(|_| rows.next().map_or(0, |row| one(row, input)))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512bw")]
fn four_avx512(block: &[i8], input: &[i16]) -> [i32; 4] {
    use std::arch::x86_64::*;
    let (input, _) = input.as_chunks::<32>();
    let (rows, _) = block.as_chunks::<32>();
    let step = input.len();
    let mut sums = [_mm512_setzero_si512(); 4];
    if rows.len() < 4 * step {
        return [0; 4];
    }
    for (k, x) in input.iter().enumerate() {
        // SAFETY: an array of 32 × 16 bits is read where it lies, unaligned.
        let x = unsafe { _mm512_loadu_si512(x.as_ptr().cast()) };
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: an array of 32 × 8 bits, unaligned.
            let weights = unsafe { _mm256_loadu_si256(rows[r * step + k].as_ptr().cast()) };
            *sum = _mm512_add_epi32(*sum, _mm512_madd_epi16(_mm512_cvtepi8_epi16(weights), x));
        }
    }
    sums.map(|sum| _mm512_reduce_add_epi32(sum))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn four_avx2(block: &[i8], input: &[i16]) -> [i32; 4] {
    use std::arch::x86_64::*;
    let (input, _) = input.as_chunks::<16>();
    let (rows, _) = block.as_chunks::<16>();
    let step = input.len();
    let mut sums = [_mm256_setzero_si256(); 4];
    if rows.len() < 4 * step {
        return [0; 4];
    }
    for (k, x) in input.iter().enumerate() {
        // SAFETY: an array of 16 × 16 bits is read where it lies, unaligned.
        let x = unsafe { _mm256_loadu_si256(x.as_ptr().cast()) };
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: an array of 16 × 8 bits, unaligned.
            let weights = unsafe { _mm_loadu_si128(rows[r * step + k].as_ptr().cast()) };
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(_mm256_cvtepi8_epi16(weights), x));
        }
    }
    // Pairs, then fours, then the halves: one sum a row.
    let low = _mm256_hadd_epi32(sums[0], sums[1]);
    let high = _mm256_hadd_epi32(sums[2], sums[3]);
    let both = _mm256_hadd_epi32(low, high);
    let sums = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
    let mut out = [0; 4];
    // SAFETY: an array of 4 × 32 bits is written, unaligned.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sums) };
    out
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
fn four(block: &[i8], input: &[i16]) -> [i32; 4] {
    use std::arch::wasm32::*;
    let (input, _) = input.as_chunks::<16>();
    let (rows, _) = block.as_chunks::<16>();
    let step = input.len();
    let mut sums = [i32x4_splat(0); 4];
    if rows.len() < 4 * step {
        return [0; 4];
    }
    for (k, x) in input.iter().enumerate() {
        let x = x.as_ptr().cast::<v128>();
        // SAFETY: two vectors lie in an array of 16 × 16 bits; wasm reads unaligned.
        let (x0, x1) = unsafe { (v128_load(x), v128_load(x.add(1))) };
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: one vector lies in an array of 16 × 8 bits.
            let weights = unsafe { v128_load(rows[r * step + k].as_ptr().cast()) };
            let low = i32x4_dot_i16x8(i16x8_extend_low_i8x16(weights), x0);
            let high = i32x4_dot_i16x8(i16x8_extend_high_i8x16(weights), x1);
            *sum = i32x4_add(*sum, i32x4_add(low, high));
        }
    }
    sums.map(|sum| {
        i32x4_extract_lane::<0>(sum)
            + i32x4_extract_lane::<1>(sum)
            + i32x4_extract_lane::<2>(sum)
            + i32x4_extract_lane::<3>(sum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_definition() {
        for (rows, columns) in [(1, 16), (4, 16), (5, 48), (129, 256), (8, 512), (3, 32)] {
            let weights: Vec<i8> = (0..rows * columns).map(|k| (k * 73 % 255) as u8 as i8).collect();
            let input: Vec<i16> = (0..columns).map(|k| (k * 20_011 % 65_536) as u16 as i16).collect();
            let mut sums = vec![0; rows];
            product(&weights, columns, &input, &mut sums);
            for (row, sum) in weights.chunks(columns).zip(sums) {
                let wanted: i64 = row.iter().zip(&input).map(|(w, x)| i64::from(*w) * i64::from(*x)).sum();
                assert_eq!(i64::from(sum), wanted, "{rows} × {columns}");
            }
        }
    }

    #[test]
    fn the_largest_sum_fits() {
        let mut sums = [0; 4];
        product(&[127; 4 * WIDEST], WIDEST, &[i16::MAX; WIDEST], &mut sums);
        assert_eq!(sums, [127 * 32_767 * WIDEST as i32; 4]);
    }

    #[test]
    fn what_does_not_fit_together_is_left_alone() {
        let mut sums = [7; 4];
        product(&[1; 64], 15, &[1; 16], &mut sums);
        product(&[1; 64], 16, &[1; 15], &mut sums);
        product(&[1; 64], 0, &[], &mut sums);
        assert_eq!(sums, [7; 4]);
        product(&[1; 32], 16, &[1; 16], &mut sums);
        assert_eq!(sums, [16, 16, 7, 7], "two rows are there");
    }
}
