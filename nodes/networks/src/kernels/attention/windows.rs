//! Which token stands where in which window: roll, padding and partition as index arithmetic.
//!
//! A map of `height` x `width` tokens is rolled by -shift, padded with zeros at the bottom and right to whole windows,
//! and cut in windows row by row (timm `SwinTransformerV2Block._attn`). After a roll, a window can hold tokens that are
//! not neighbours on the map; a mask of -100 keeps them apart.

/// Source of a window position that is padding.
pub(crate) const PADDING: u32 = u32::MAX;

const MASKED: f32 = -100.0;

/// The windows of one map.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// Tokens of the map (L).
    pub tokens: usize,
    /// Tokens of a window (W).
    pub size: usize,
    /// [windows, W]: the token at each position, or [`PADDING`].
    pub(crate) source: Vec<u32>,
    /// [windows, W, W] added to the logits, where some window needs it.
    pub(crate) mask: Option<Vec<f32>>,
}

impl Windows {
    /// Square windows of `window` x `window`, rolled by `shift`, over a map of `height` x `width` tokens.
    pub fn new(height: usize, width: usize, window: usize, shift: usize) -> Self {
        let (rows, columns) = (height.next_multiple_of(window), width.next_multiple_of(window));
        let size = window * window;
        // Region of a position along one axis of the rolled map: 0 untouched, 1 last window before the seam, 2 after
        // it.
        let region = |at: usize, length: usize| match at {
            _ if shift == 0 || at < length - window => 0,
            _ if at < length - shift => 1,
            _ => 2,
        };
        let (mut source, mut regions) = (Vec::new(), Vec::new());
        for window_row in 0..rows / window {
            for window_column in 0..columns / window {
                for inside in 0..size {
                    let row = window_row * window + inside / window;
                    let column = window_column * window + inside % window;
                    source.push(if row < height && column < width {
                        ((row + shift) % height * width + (column + shift) % width) as u32
                    } else {
                        PADDING
                    });
                    regions.push(region(row, rows) * 3 + region(column, columns));
                }
            }
        }
        let mask = (shift > 0).then(|| {
            regions
                .chunks_exact(size)
                .flat_map(|window| {
                    window.iter().flat_map(move |a| window.iter().map(move |b| if a == b { 0.0 } else { MASKED }))
                })
                .collect()
        });
        Self { tokens: height * width, size, source, mask }
    }

    /// One window of all `tokens`, in their order: attention of all to all, whatever their number.
    pub fn whole(tokens: usize) -> Self {
        Self { tokens, size: tokens, source: (0..tokens as u32).collect(), mask: None }
    }

    /// Number of windows.
    pub fn count(&self) -> usize {
        self.source.len() / self.size
    }

    /// True if some position is padding.
    pub fn has_padding(&self) -> bool {
        self.source.contains(&PADDING)
    }

    /// The mask of a window, [W, W].
    pub(crate) fn mask_of(&self, window: usize) -> Option<&[f32]> {
        let area = self.size * self.size;
        self.mask.as_ref().map(|mask| &mask[window * area..][..area])
    }

    /// The window position of each token, the inverse of the source table.
    pub(crate) fn positions(&self) -> Vec<u32> {
        let mut positions = vec![0; self.tokens];
        for (at, &token) in self.source.iter().enumerate() {
            if token != PADDING {
                positions[token as usize] = at as u32;
            }
        }
        positions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_stands_in_exactly_one_window() {
        for (height, width, window, shift) in [(8, 8, 4, 2), (7, 5, 3, 1), (6, 6, 6, 0), (10, 4, 4, 2), (1, 1, 1, 0)] {
            let windows = Windows::new(height, width, window, shift);
            let mut seen: Vec<u32> = windows.source.iter().copied().filter(|&s| s != PADDING).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..(height * width) as u32).collect::<Vec<_>>());
            let positions = windows.positions();
            assert!((0..height * width).all(|t| windows.source[positions[t] as usize] as usize == t));
        }
    }

    #[test]
    fn a_rolled_window_masks_tokens_from_across_the_seam() {
        let windows = Windows::new(4, 4, 2, 1);
        assert_eq!(windows.source[..4], [5, 6, 9, 10]);
        assert_eq!(windows.mask_of(0), Some(&[0.0; 16][..]));
        // The last window holds the four corners of the map: each sees itself alone.
        assert_eq!(windows.source[12..], [15, 12, 3, 0]);
        let corner = windows.mask_of(3).unwrap();
        assert!((0..16).all(|i| corner[i] == if i % 5 == 0 { 0.0 } else { -100.0 }));
    }
}
