//! Frames, views and rows that are refused: the error names the thing and what to do.

use hrvit_camera::{Filter, Format, Frame, FrameError, Geometry, GeometryError, Kernels, Plane, Region, Rows, RowsError, UnknownFormat, View};
use hrvit_format::Size;

const SIZE: Size = Size { height: 32, width: 64 };

#[test]
fn frames_whose_bytes_do_not_fit_their_size_are_refused() {
    let bytes = [0; 100];
    let plane = |len: usize, stride: usize| Plane { bytes: &bytes[..len], stride };
    let refused = |format, width, height, planes: &[Plane<'_>]| Frame::new(format, width, height, planes).unwrap_err();
    assert_eq!(refused(Format::Gray8, 0, 4, &[plane(100, 10)]), FrameError::Size { width: 0, height: 4 });
    assert_eq!(refused(Format::Gray8, 65_536, 1, &[plane(100, 10)]), FrameError::Size { width: 65_536, height: 1 });
    assert_eq!(refused(Format::Yuyv, 5, 4, &[plane(100, 10)]), FrameError::OddWidth { width: 5 });
    assert_eq!(refused(Format::Nv12, 4, 4, &[plane(100, 10)]), FrameError::Planes { expected: 2, given: 1 });
    assert_eq!(refused(Format::Gray8, 4, 4, &[plane(100, 10), plane(100, 10)]), FrameError::Planes { expected: 1, given: 2 });
    assert_eq!(refused(Format::Rgb, 4, 4, &[plane(100, 11)]), FrameError::Stride { plane: 0, stride: 11, row: 12 });
    assert_eq!(refused(Format::Nv12, 5, 5, &[plane(25, 5), plane(17, 6)]), FrameError::Short { plane: 1, bytes: 17, expected: 18 });
    assert!(Frame::new(Format::Nv12, 5, 5, &[plane(25, 5), plane(18, 6)]).is_ok());
    // The last row need not have what the stride adds.
    assert!(Frame::new(Format::Gray8, 4, 4, &[plane(34, 10)]).is_ok());
    assert_eq!(refused(Format::Gray8, 4, 4, &[plane(33, 10)]).to_string(), "plane 0: 33 bytes, expected 34 or more: check size, stride and format");
    assert_eq!(refused(Format::Gray8, 4, 4, &[plane(33, usize::MAX)]), FrameError::Short { plane: 0, bytes: 33, expected: usize::MAX });
    assert_eq!(Frame::packed(Format::I420, 5, 5, &bytes[..42]).unwrap_err(), FrameError::Short { plane: 2, bytes: 8, expected: 9 });
    assert!(Frame::packed(Format::I420, 5, 5, &bytes[..43]).is_ok());
    assert_eq!(Format::I420.frame_bytes(5, 5), 43);
}

#[test]
fn views_that_leave_the_frame_are_refused() {
    for region in [
        Region { y: 0, x: 0, height: 0, width: 1 },
        Region { y: 0, x: 0, height: 5, width: 1 },
        Region { y: 1, x: 0, height: 4, width: 1 },
        Region { y: 0, x: 6, height: 1, width: 1 },
        Region { y: 0, x: usize::MAX, height: 1, width: 2 },
    ] {
        let error = Geometry::new(6, 4, View { region: Some(region), ..View::default() }, SIZE).unwrap_err();
        assert_eq!(error, GeometryError::Region(region));
        assert!(error.to_string().contains("inside the frame"), "{error}");
    }
    assert_eq!(Geometry::new(0, 4, View::default(), SIZE), Err(GeometryError::Frame { width: 0, height: 4 }));
    let none = Size { height: 0, width: 64 };
    assert_eq!(Geometry::new(6, 4, View::default(), none), Err(GeometryError::Input { height: 0, width: 64 }));
    let large = Size { height: 64, width: 4097 };
    assert!(Geometry::new(6, 4, View::default(), large).unwrap_err().to_string().contains("1 to 4096"));
}

#[test]
fn rows_that_the_input_does_not_have_are_refused() {
    let bytes = [0; 24];
    let frame = Frame::packed(Format::Gray8, 6, 4, &bytes).unwrap();
    let geometry = Geometry::new(6, 4, View::default(), SIZE).unwrap();
    let words = Rows::scratch_words(Format::Gray8, &geometry, Filter::Area).unwrap();
    let mut scratch = vec![0; words];
    let error = Rows::new(Kernels::detect(), frame, geometry, Filter::Area, &mut scratch[1..]).err().unwrap();
    assert_eq!(error, RowsError::Scratch { words: words - 1, expected: words });
    let other = Geometry::new(4, 6, View::default(), SIZE).unwrap();
    assert_eq!(Rows::new(Kernels::detect(), frame, other, Filter::Area, &mut scratch).err(), Some(RowsError::Frame { width: 6, height: 4 }));
    let mut rows = Rows::new(Kernels::detect(), frame, geometry, Filter::Area, &mut scratch).unwrap();
    assert_eq!(rows.read(32, &mut [0; 192]), Err(RowsError::Row { row: 32, rows: 32 }));
    assert_eq!(rows.read(31, &mut [0; 191]), Err(RowsError::Pixels { bytes: 191, expected: 192 }));
}

#[test]
fn sums_that_do_not_fit_32_bits_are_refused() {
    let geometry = |width, height| Geometry::new(width, height, View::default(), Size { height: 4096, width: 4096 }).unwrap();
    // Both sides are odd: nothing is shared with 4096.
    let words = |geometry: &Geometry, filter| Rows::scratch_words(Format::Nv12, geometry, filter);
    assert!(words(&geometry(4101, 4103), Filter::Area).is_ok_and(|words| words > 4101));
    let error = words(&geometry(4111, 4103), Filter::Area).unwrap_err();
    assert_eq!(error, RowsError::Weight { weight: 4111 * 4103 });
    assert!(error.to_string().contains("16843009"), "{error}");
    // A frame whose sides share factors may be as large as any.
    assert!(words(&geometry(65_534, 65_532), Filter::Area).is_err());
    assert!(words(&geometry(61_440, 61_440), Filter::Area).is_ok());
}

#[test]
fn names_of_formats_are_read_back() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
        assert_eq!(format.to_string().to_uppercase().parse(), Ok(format));
    }
    assert_eq!("nv13".parse::<Format>(), Err(UnknownFormat));
    assert_eq!(UnknownFormat.to_string(), "not a camera format; expected one of nv12 nv21 i420 i422 i411 i444 yuyv uyvy rgb565 rgb bgr rgba bgra gray");
}
