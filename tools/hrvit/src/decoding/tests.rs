//! Pictures that are whole, cut, damaged, turned or too large.

use image::{ImageEncoder, Rgb, codecs::jpeg::JpegEncoder};

use super::jpeg::end;
use super::*;

/// All that is read.
const ALL: [ImageFormat; 6] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Pnm];

const MOST: MaxPixels = MaxPixels(MaxPixels::DEFAULT);

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7 + y * 3) as u8, (x * y) as u8, (x ^ y) as u8]))
}

fn encoded(format: ImageFormat, picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 85)),
        format => picture.write_to(&mut bytes, format),
    }
    .unwrap();
    bytes.into_inner()
}

/// Why bytes are no picture.
fn refused(bytes: &[u8], most: MaxPixels) -> String {
    rgb(bytes, most).map(|picture| panic!("a picture of {:?} pixels", picture.dimensions())).unwrap_or_else(|error| format!("{error:#}"))
}

/// A PNG of which nothing is there but its header, and that data follow.
pub(crate) fn header_of(width: u32, height: u32, bits: png::BitDepth, colour: png::ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_depth(bits);
    encoder.set_color(colour);
    drop(encoder.write_header().unwrap());
    // The signature, the header's chunk, and the beginning of one of data.
    bytes.truncate(8 + 25);
    bytes.extend_from_slice(b"\0\0\x10\0IDAT");
    bytes
}

#[test]
fn whole_pictures_are_what_image_makes_of_them() {
    for (width, height) in [(1, 1), (8, 8), (33, 17), (160, 90)] {
        let picture = DynamicImage::ImageRgb8(picture(width, height));
        for format in ALL {
            for shown in [picture.clone(), picture.to_luma8().into()] {
                let bytes = encoded(format, &shown);
                assert_eq!(rgb(&bytes, MOST).unwrap(), image::load_from_memory(&bytes).unwrap().into_rgb8(), "{format:?} {width}x{height}");
            }
        }
        for shown in [DynamicImage::from(picture.to_rgba8()), picture.to_rgb16().into(), picture.to_luma_alpha8().into()] {
            let bytes = encoded(ImageFormat::Png, &shown);
            assert_eq!(rgb(&bytes, MOST).unwrap(), image::load_from_memory(&bytes).unwrap().into_rgb8());
        }
    }
}

#[test]
fn a_picture_that_is_cut_anywhere_is_an_error() {
    for format in ALL {
        let bytes = encoded(format, &picture(96, 64).into());
        for cut in (0..bytes.len()).step_by(3).chain([bytes.len() - 2, bytes.len() - 1]) {
            refused(&bytes[..cut], MOST);
        }
        assert!(rgb(&[&bytes[..], b"camera's own data"].concat(), MOST).is_ok(), "{format:?}: what follows the picture is nobody's business");
    }
    let bytes = encoded(ImageFormat::Jpeg, &picture(96, 64).into());
    assert!(refused(&bytes[..bytes.len() / 2], MOST).contains("truncated JPEG"));
    assert!(refused(&bytes[..bytes.len() - 2], MOST).contains("truncated JPEG"));
}

#[test]
fn a_jpeg_whose_end_marker_comes_too_early_is_an_error() {
    for (width, height) in [(96, 64), (33, 17), (8, 8)] {
        let colour = DynamicImage::from(picture(width, height));
        for shown in [colour.clone(), colour.to_luma8().into()] {
            let bytes = encoded(ImageFormat::Jpeg, &shown);
            let (scan, end) = (bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap(), end(&bytes).unwrap());
            let header = usize::from(u16::from_be_bytes([bytes[scan + 2], bytes[scan + 3]]));
            // The last two bytes may be one coefficient. Half a stuffed byte would make another
            // marker of the end.
            for cut in (scan + 2 + header..end - 2).filter(|&cut| bytes[cut - 1] != 0xff) {
                let error = refused(&[&bytes[..cut], b"\xff\xd9"].concat(), MOST);
                assert!(error.contains("truncated JPEG"), "{width}x{height}, {cut} of {end}: {error}");
            }
            let filled = [&bytes[..end], b"\xff\xff\xff\xd9"].concat();
            assert_eq!(rgb(&filled, MOST).unwrap(), rgb(&bytes, MOST).unwrap(), "bytes of 255 before a marker are none of a picture's");
        }
    }
}

#[test]
fn a_marker_among_coded_pixels_is_an_error() {
    let mut bytes = encoded(ImageFormat::Jpeg, &picture(96, 64).into());
    let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    bytes[scan + 200..scan + 202].copy_from_slice(&[0xff, 0xc8]);
    refused(&bytes, MOST);
}

#[test]
fn a_png_with_a_damaged_chunk_is_an_error() {
    let bytes = encoded(ImageFormat::Png, &picture(96, 64).into());
    let data = bytes.windows(4).position(|name| name == b"IDAT").unwrap();
    for at in [data + 4, data + 40, bytes.len() - 20] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        refused(&damaged, MOST);
    }
}

#[test]
fn a_picture_of_too_many_pixels_is_refused_by_its_header() {
    use png::{BitDepth, ColorType};
    // Nothing but the header is there: nothing else can have been looked at.
    let bomb = header_of(20_000, 20_000, BitDepth::One, ColorType::Grayscale);
    assert!(bomb.len() < 100);
    let error = refused(&bomb, MOST);
    assert!(error.contains("20000x20000") && error.contains("--max-pixels"), "{error}");
    // Few pixels, but of 8 bytes each.
    let error = refused(&header_of(8000, 6000, BitDepth::Sixteen, ColorType::Rgba), MOST);
    assert!(error.contains("384000000 bytes") && error.contains("--max-pixels"), "{error}");
    for format in ALL {
        let bytes = encoded(format, &picture(96, 64).into());
        assert!(refused(&bytes, MaxPixels(96 * 64 - 1)).contains("96x64 are 6144 pixels, at most 6143"));
        assert!(rgb(&bytes, MaxPixels(96 * 64)).is_ok(), "{format:?}");
    }
}

#[test]
fn other_formats_are_named() {
    assert!(refused(b"GIF89a\x01\x00\x01\x00", MOST).contains("image/gif"));
    assert!(refused(b"not a picture", MOST).contains("expected JPEG, PNG, WebP, BMP, TIFF or PPM"));
    assert!(refused(b"", MOST).contains("expected JPEG, PNG, WebP, BMP, TIFF or PPM"));
}

#[test]
fn a_shipped_frame_is_a_whole_one() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/calib");
    let frames = crate::frames::list(folder.as_ref()).unwrap();
    for path in &frames {
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(rgb(&bytes, MOST).unwrap(), image::load_from_memory(&bytes).unwrap().into_rgb8(), "{}", path.display());
    }
    assert!(frames.len() > 8);
}

/// EXIF data with nothing but an orientation.
fn turned(orientation: u8) -> Vec<u8> {
    let mut chunk = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    chunk[18] = orientation;
    chunk
}

/// Stored place of the pixel at (x, y) of the upright picture of `size` pixels. The EXIF standard
/// defines it by row 0 and column 0.
fn stored_at(orientation: u8, (x, y): (u32, u32), (width, height): (u32, u32)) -> (u32, u32) {
    match orientation {
        2 => (width - 1 - x, y),
        3 => (width - 1 - x, height - 1 - y),
        4 => (x, height - 1 - y),
        5 => (y, x),
        6 => (y, width - 1 - x),
        7 => (height - 1 - y, width - 1 - x),
        8 => (height - 1 - y, x),
        _ => (x, y),
    }
}

#[test]
fn a_picture_is_turned_upright_whatever_its_format() {
    let upright = picture(24, 16);
    for orientation in 1..=8 {
        let (width, height) = if orientation > 4 { (16, 24) } else { (24, 16) };
        let mut stored = RgbImage::new(width, height);
        for (x, y, &pixel) in upright.enumerate_pixels() {
            let (x, y) = stored_at(orientation, (x, y), (24, 16));
            stored.put_pixel(x, y, pixel);
        }
        let data = stored.as_raw();
        let colour = image::ExtendedColorType::Rgb8;
        let mut png = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
        encoder.set_exif_metadata(turned(orientation)).unwrap();
        encoder.write_image(data, width, height, colour).unwrap();
        let mut webp = Vec::new();
        let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(turned(orientation)).unwrap();
        encoder.write_image(data, width, height, colour).unwrap();
        let mut prefixed = Vec::new();
        let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut prefixed);
        encoder.set_exif_metadata([&b"Exif\0\0"[..], &turned(orientation)].concat()).unwrap();
        encoder.write_image(data, width, height, colour).unwrap();
        // The same chunk behind the pixels.
        let at = png.windows(4).position(|name| name == b"eXIf").unwrap() - 4;
        let chunk = png[at..at + 12 + 26].to_vec();
        let mut late = [&png[..at], &png[at + chunk.len()..]].concat();
        let end = late.len() - 12;
        late.splice(end..end, chunk);
        for (name, bytes) in [("PNG", png), ("PNG, late", late), ("WebP", webp), ("WebP, prefixed", prefixed)] {
            assert_eq!(rgb(&bytes, MOST).unwrap(), upright, "{name}, orientation {orientation}");
        }
        let mut tiff = encoded(ImageFormat::Tiff, &stored.clone().into());
        add_orientation(&mut tiff, orientation);
        assert_eq!(rgb(&tiff, MOST).unwrap(), upright, "TIFF, orientation {orientation}");
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
        encoder.set_exif_metadata(turned(orientation)).unwrap();
        encoder.write_image(data, width, height, colour).unwrap();
        let decoded = rgb(&jpeg, MOST).unwrap();
        assert_eq!(decoded.dimensions(), (24, 16));
        let plain = image::load_from_memory(&jpeg).unwrap().into_rgb8();
        for (x, y, pixel) in decoded.enumerate_pixels() {
            let (x, y) = stored_at(orientation, (x, y), (24, 16));
            assert_eq!(pixel, plain.get_pixel(x, y), "JPEG, orientation {orientation}");
        }
    }
}

/// Moves the directory of a little-endian TIFF to its end, with an orientation in it.
fn add_orientation(tiff: &mut Vec<u8>, orientation: u8) {
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes([tiff[directory], tiff[directory + 1]]));
    let mut entries: Vec<Vec<u8>> = tiff[directory + 2..directory + 2 + 12 * count].chunks(12).map(<[u8]>::to_vec).collect();
    entries.push([&[0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0][..]].concat());
    entries.sort_by_key(|entry| u16::from_le_bytes([entry[0], entry[1]]));
    let at = tiff.len() as u32;
    tiff[4..8].copy_from_slice(&at.to_le_bytes());
    tiff.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    tiff.extend(entries.concat());
    tiff.extend_from_slice(&[0; 4]);
}

#[test]
fn a_picture_behind_another_is_seen_and_what_cameras_append_is_not() {
    for format in ALL.into_iter().filter(|format| *format != ImageFormat::Tiff) {
        for shown in [DynamicImage::from(picture(33, 17)), picture(8, 9).into()] {
            let bytes = encoded(format, &shown);
            assert!(!is_followed(&bytes), "{format:?}");
            assert!(!is_followed(&[&bytes[..], &[0; 20]].concat()), "{format:?} with padding");
            for other in ALL {
                assert!(is_followed(&[&bytes[..], &encoded(other, &shown)].concat()), "{other:?} behind {format:?}");
            }
        }
    }
    let one = encoded(ImageFormat::Jpeg, &picture(9, 9).into());
    let of_several = [&one[..2], b"\xff\xe2\0\x08MPF\0\0\0", &one[2..], &one[..]].concat();
    assert!(rgb(&of_several, MOST).is_ok() && !is_followed(&of_several));
}
