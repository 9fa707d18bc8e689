//! What a JPEG's headers say about the memory its decoding takes.
//!
//! A baseline image in one scan is decoded row by row. A progressive one, or one whose components
//! come in scans of their own, keeps every coefficient until the last scan has been read: several
//! times the size of the picture. So the headers are read first, and a picture that would not fit is refused
//! instead of ending the instance.
//!
//! Marker syntax: ITU-T T.81, annex B.

/// How many bytes of coefficients the decoder keeps, from the frame and scan headers; `None` when
/// they are no JPEG headers.
pub(super) fn coefficient_bytes(jpeg: &[u8]) -> Option<u64> {
    let mut frame = None;
    for segment in Segments::new(jpeg)? {
        match segment.marker {
            // SOF0 to SOF15 but DHT, JPG and DAC, which lie among them.
            0xc0..=0xcf if !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc) => {
                frame = Some(Frame::read(segment.marker, segment.body)?);
            }
            // SOS: its first byte counts the components of the scan.
            0xda => {
                let frame: Frame = frame?;
                let in_scan = *segment.body.first()?;
                let keeps = frame.progressive || in_scan != frame.components;
                return Some(if keeps { frame.coefficient_bytes } else { 0 });
            }
            _ => {}
        }
    }
    None
}

struct Frame {
    progressive: bool,
    components: u8,
    coefficient_bytes: u64,
}

impl Frame {
    /// T.81 B.2.2: precision, height, width, number of components, then three bytes for each,
    /// the second of which has the sampling factors.
    fn read(marker: u8, body: &[u8]) -> Option<Self> {
        let [_, h1, h0, w1, w0, components, rest @ ..] = body else { return None };
        let (height, width) = (u16::from_be_bytes([*h1, *h0]), u16::from_be_bytes([*w1, *w0]));
        let factors: Vec<(u64, u64)> = rest
            .chunks_exact(3)
            .take(usize::from(*components))
            .map(|component| {
                let factor = component.get(1).copied().unwrap_or_default();
                (u64::from(factor >> 4), u64::from(factor & 15))
            })
            .collect();
        let widest = factors.iter().map(|(h, _)| *h).max().filter(|h| *h > 0)?;
        let tallest = factors.iter().map(|(_, v)| *v).max().filter(|v| *v > 0)?;
        // Units of 8 by 8 samples, interleaved by the greatest factors; a coefficient is two bytes.
        let units = u64::from(width).div_ceil(8 * widest) * u64::from(height).div_ceil(8 * tallest);
        let blocks: u64 = factors.iter().map(|(h, v)| units * h * v).sum();
        let progressive = matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
        Some(Self { progressive, components: *components, coefficient_bytes: blocks * 64 * 2 })
    }
}

struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
}

/// The marker segments before the first scan's data.
struct Segments<'a>(&'a [u8]);

impl<'a> Segments<'a> {
    fn new(jpeg: &'a [u8]) -> Option<Self> {
        jpeg.strip_prefix(&[0xff, 0xd8]).map(Self)
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        // Decoders skip what stands between segments, and so must this.
        let at = self.0.windows(2).position(|pair| matches!(pair, [0xff, 0x01..=0xfe]))?;
        let (marker, rest) = (*self.0.get(at + 1)?, self.0.get(at + 2..)?);
        // TEM, RSTn and SOI stand alone.
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            self.0 = rest;
            return Some(Segment { marker, body: &[] });
        }
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let body = rest.get(2..length)?;
        self.0 = rest.get(length..)?;
        Some(Segment { marker, body })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// A header of 4:2:0 colour, `width` by `height`.
    fn header(sof: u8, width: u16, height: u16, in_scan: u8) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 0xff, 0xc2, 0xff, 0xff, sof, 0, 17, 8];
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        bytes.extend([0xff, 0xda, 0, 2 + 1 + 2 * u16::from(in_scan) as u8 + 3, in_scan]);
        bytes.extend(vec![0; 2 * usize::from(in_scan) + 3]);
        bytes
    }

    #[test]
    fn baseline_in_one_scan_keeps_nothing() {
        assert_eq!(coefficient_bytes(&header(0xc0, 4_000, 3_000, 3)), Some(0));
    }

    #[test]
    fn progressive_and_separate_scans_keep_every_coefficient() {
        // 250 x 188 units of six blocks.
        let all = 250 * 188 * 6 * 64 * 2;
        assert_eq!(coefficient_bytes(&header(0xc2, 4_000, 3_000, 3)), Some(all));
        assert_eq!(coefficient_bytes(&header(0xc0, 4_000, 3_000, 1)), Some(all));
    }

    #[test]
    fn broken_headers_are_none() {
        let whole = header(0xc2, 64, 64, 3);
        let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        for end in 0..scan + 5 {
            let cut = whole.get(..end).expect("within");
            assert_eq!(coefficient_bytes(cut), None, "{end}");
        }
        assert_eq!(coefficient_bytes(b"\x89PNG\r\n\x1a\n"), None);
    }
}
