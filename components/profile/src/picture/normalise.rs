//! From any JPEG or PNG to the one form pictures are kept in: a JPEG of 413 by 531 pixels.
//!
//! The picture is turned upright (EXIF), cropped around its centre to fill the frame, laid on
//! white where it is transparent, and written without metadata: where a photograph was taken is
//! nobody's business. What a file claims to be is ignored, its bytes decide.
//!
//! A small file can unfold into gigabytes of pixels. Its size is read from the headers first, and
//! refused when the decoding would need more than [`MAX_DECODE_BYTES`].

use std::io::Cursor;

use image::{
    DynamicImage, GenericImageView, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    RgbImage, Rgba, codecs::jpeg::JpegEncoder, imageops, metadata::Orientation,
};

use super::jpeg;

/// Width of a kept picture, in pixels.
pub(crate) const WIDTH: u32 = 413;
/// Height of a kept picture, in pixels.
pub(crate) const HEIGHT: u32 = 531;
/// JPEG quality, 1 to 100: no loss to be seen at this size, some 60 KB.
const QUALITY: u8 = 85;
/// Most pixels of an upload: above what telephones take by default.
const MAX_PIXELS: u64 = 25_000_000;
/// Most memory for decoding, in bytes, the pixels included. The component's memory budget has to
/// hold this beside the uploads themselves.
pub(crate) const MAX_DECODE_BYTES: u64 = 80 * 1024 * 1024;

/// Why a picture can't be kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Neither JPEG nor PNG, or damaged.
    NotAPicture,
    /// Too many pixels, or too much memory to decode them.
    TooManyPixels,
}

/// The picture as it is kept.
pub(crate) fn normalise(upload: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (mut picture, orientation) = decode(upload)?;
    // Cropping before turning keeps the large picture in one place.
    let frame = if swaps_axes(orientation) { (HEIGHT, WIDTH) } else { (WIDTH, HEIGHT) };
    picture = shrink(&picture, frame);
    picture.apply_orientation(orientation);
    let opaque = on_white(&picture);
    let kept = imageops::resize(&opaque, WIDTH, HEIGHT, imageops::FilterType::CatmullRom);

    let mut jpeg = Vec::with_capacity(64 * 1024);
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&kept)
        .map_err(|_| Refusal::NotAPicture)?;
    Ok(jpeg)
}

fn decode(upload: &[u8]) -> Result<(DynamicImage, Orientation), Refusal> {
    let format = image::guess_format(upload).map_err(refusal)?;
    let kept_while_decoding = match format {
        ImageFormat::Jpeg => jpeg::coefficient_bytes(upload).ok_or(Refusal::NotAPicture)?,
        ImageFormat::Png => 0,
        _ => return Err(Refusal::NotAPicture),
    };

    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(upload), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refusal)?;

    let (width, height) = decoder.dimensions();
    let needed = decoder.total_bytes().saturating_add(kept_while_decoding);
    if u64::from(width) * u64::from(height) > MAX_PIXELS || needed > MAX_DECODE_BYTES {
        return Err(Refusal::TooManyPixels);
    }
    // A picture whose EXIF is damaged is shown as it lies.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder).map_err(refusal)?, orientation))
}

fn refusal(error: ImageError) -> Refusal {
    match error {
        ImageError::Limits(_) => Refusal::TooManyPixels,
        _ => Refusal::NotAPicture,
    }
}

fn swaps_axes(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// Crops around the centre to the frame's proportions and brings the rest down to at most twice
/// its size by averaging; a better filter does the last step at a fraction of the cost.
fn shrink(picture: &DynamicImage, frame: (u32, u32)) -> DynamicImage {
    let (width, height) = picture.dimensions();
    let (across, down) = fill(width, height, frame);
    let (x, y) = ((width - across) / 2, (height - down) / 2);
    let (most_across, most_down) = (2 * frame.0, 2 * frame.1);
    if across <= most_across || down <= most_down {
        return picture.crop_imm(x, y, across, down);
    }
    // The common kinds of pixels without a conversion for each.
    macro_rules! thumbnail {
        ($pixels:expr) => {{
            let window = imageops::crop_imm($pixels, x, y, across, down);
            imageops::thumbnail(&*window, most_across, most_down).into()
        }};
    }
    match picture {
        DynamicImage::ImageRgb8(pixels) => thumbnail!(pixels),
        DynamicImage::ImageRgba8(pixels) => thumbnail!(pixels),
        DynamicImage::ImageLuma8(pixels) => thumbnail!(pixels),
        other => thumbnail!(other),
    }
}

/// The largest size of the frame's proportions within the picture, at least one pixel each way.
fn fill(width: u32, height: u32, frame: (u32, u32)) -> (u32, u32) {
    let (w, h) = (u64::from(width), u64::from(height));
    let (across, down) = (u64::from(frame.0), u64::from(frame.1));
    let (cropped_width, cropped_height) =
        if w * down > h * across { (h * across / down, h) } else { (w, w * down / across) };
    let within = |value: u64, most: u32| u32::try_from(value).unwrap_or(most).clamp(1, most);
    (within(cropped_width, width), within(cropped_height, height))
}

fn on_white(picture: &DynamicImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let Rgba([r, g, b, alpha]) = picture.get_pixel(x, y);
        let alpha = u16::from(alpha);
        // At most 255 * 255 + 127, so the quotient fits a byte.
        let blend = |c: u8| ((u16::from(c) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        image::Rgb([blend(r), blend(g), blend(b)])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, Rgb, RgbaImage};

    const RED: [u8; 3] = [220, 20, 20];
    const GREEN: [u8; 3] = [20, 200, 20];
    const BLUE: [u8; 3] = [20, 20, 220];

    fn written(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// Normalises, and checks what holds for every kept picture.
    fn kept(upload: &[u8]) -> RgbImage {
        let jpeg = normalise(upload).unwrap();
        assert_eq!(image::guess_format(&jpeg).unwrap(), ImageFormat::Jpeg);
        assert!(!jpeg.windows(4).any(|bytes| bytes == b"Exif"));
        let picture = image::load_from_memory(&jpeg).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (WIDTH, HEIGHT));
        picture
    }

    /// JPEG changes colours a little.
    fn is(picture: &RgbImage, x: u32, y: u32, colour: [u8; 3]) {
        let found = picture.get_pixel(x, y).0;
        let near = found.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 12);
        assert!(near, "{found:?} at {x},{y} instead of {colour:?}");
    }

    /// Left, middle and right thirds of one colour each.
    fn thirds(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| Rgb([RED, GREEN, BLUE][(3 * x / width) as usize]))
    }

    /// With an EXIF segment that holds nothing but this orientation.
    fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
        exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
        [&jpeg[..2], &exif, &jpeg[2..]].concat()
    }

    #[test]
    fn crops_to_the_middle_at_any_size() {
        for (width, height) in [(3_000, 1_000), (900, 300), (60, 20), (2_400, 1_600)] {
            let picture = kept(&written(thirds(width, height), ImageFormat::Png));
            for (x, y) in [(206, 5), (206, 265), (206, 525)] {
                is(&picture, x, y, GREEN);
            }
        }
        let wide = kept(&written(thirds(3_000, 1_000), ImageFormat::Jpeg));
        is(&wide, 5, 5, GREEN);
        is(&wide, 408, 525, GREEN);
        let exact = kept(&written(thirds(WIDTH, HEIGHT), ImageFormat::Png));
        is(&exact, 60, 265, RED);
        is(&exact, 350, 265, BLUE);
    }

    #[test]
    fn turns_upright() {
        // As a telephone stores an upright photograph: red above blue, to be turned clockwise.
        for (width, height) in [(2_124, 1_652), (531, 413), (64, 64)] {
            let stored = RgbImage::from_fn(width, height, |_, y| {
                Rgb(if y < height / 2 { RED } else { BLUE })
            });
            let jpeg = written(stored, ImageFormat::Jpeg);
            let picture = kept(&turned(&jpeg, 6));
            is(&picture, 350, 265, RED);
            is(&picture, 60, 265, BLUE);
            let picture = kept(&turned(&jpeg, 3));
            is(&picture, 206, 60, BLUE);
            is(&picture, 206, 470, RED);
            // A value that does not exist.
            is(&kept(&turned(&jpeg, 99)), 206, 60, RED);
        }
    }

    #[test]
    fn lays_transparent_pixels_on_white() {
        let half = RgbaImage::from_pixel(50, 50, Rgba([200, 0, 0, 128]));
        is(&kept(&written(half, ImageFormat::Png)), 200, 200, [227, 127, 127]);
        let clear = GrayAlphaImage::from_pixel(2_000, 2_000, image::LumaA([0, 0]));
        is(&kept(&written(clear, ImageFormat::Png)), 200, 200, [255; 3]);
    }

    #[test]
    fn reads_every_kind_of_pixel() {
        let grey = GrayImage::from_pixel(1_000, 1_400, image::Luma([90]));
        is(&kept(&written(grey.clone(), ImageFormat::Png)), 9, 9, [90; 3]);
        is(&kept(&written(grey, ImageFormat::Jpeg)), 9, 9, [90; 3]);
        let deep = ImageBuffer::from_pixel(1_000, 1_400, Rgb([0_u16, 30_000, 60_000]));
        is(&kept(&written(deep, ImageFormat::Png)), 9, 9, [0, 117, 233]);
        for (width, height) in [(1, 1), (5_000, 1), (1, 5_000)] {
            let line = RgbImage::from_pixel(width, height, Rgb(GREEN));
            is(&kept(&written(line, ImageFormat::Png)), 200, 200, GREEN);
        }
    }

    #[test]
    fn refuses_what_is_no_picture() {
        let png = written(thirds(60, 60), ImageFormat::Png);
        let mut damaged = png.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        for upload in [
            &b""[..],
            b"GIF89a\x01\0\x01\0\0\0\0;",
            b"RIFF\x24\0\0\0WEBPVP8 ",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            &png[..png.len() / 2],
            &damaged,
        ] {
            assert_eq!(normalise(upload), Err(Refusal::NotAPicture));
        }
    }

    /// A PNG's header chunk with this size, 8-bit RGBA, and no pixels.
    fn png_header(width: u32, height: u32) -> Vec<u8> {
        let mut png = written(RgbaImage::new(1, 1), ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        png
    }

    /// PNG's checksum (ISO 3309).
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }

    #[test]
    fn refuses_floods_by_their_headers() {
        for (width, height) in [(60_000, 60_000), (5_001, 5_000), (4_600, 4_600)] {
            let refused = normalise(&png_header(width, height));
            assert_eq!(refused, Err(Refusal::TooManyPixels), "{width} x {height}");
        }
        // The size itself is fine here, only the pixels are missing.
        assert_eq!(normalise(&png_header(4_000, 4_000)), Err(Refusal::NotAPicture));

        // The same JPEG claiming to be enormous, then to be progressive.
        let jpeg = written(thirds(64, 64), ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
        let mut huge = jpeg.clone();
        huge[frame + 5..frame + 9].copy_from_slice(&[0x30, 0, 0x30, 0]);
        assert_eq!(normalise(&huge), Err(Refusal::TooManyPixels));
        let mut progressive = jpeg.clone();
        progressive[frame + 1] = 0xc2;
        progressive[frame + 5..frame + 9].copy_from_slice(&[0x0f, 0xa0, 0x0f, 0xa0]);
        assert_eq!(normalise(&progressive), Err(Refusal::TooManyPixels));
    }
}
