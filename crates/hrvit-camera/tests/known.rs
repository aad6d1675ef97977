//! Rows that are known: the same on every target, however the sums are made.

use hrvit_camera::{Filter, Format, Frame, Geometry, Kernels, Rotation, Rows, Size, View};

#[test]
fn rows_have_the_same_bytes_on_every_target() {
    for (format, (width, height), (rows, columns), rotation, filter, expected) in [
        (Format::Nv12, (1280, 720), (192, 256), Rotation::None, Filter::Area, 0x5b25_c0fe_c9d9_e055u64),
        (Format::Nv12, (1280, 720), (192, 256), Rotation::ThreeQuarters, Filter::Area, 0x38f0_fc62_52d9_40f5),
        (Format::Rgb565, (641, 479), (100, 160), Rotation::Quarter, Filter::Area, 0x40dc_037c_09d2_a213),
        (Format::Yuyv, (640, 480), (192, 256), Rotation::Half, Filter::Bilinear, 0x8839_bd85_72fa_2818),
        (Format::Bgra, (521, 333), (191, 255), Rotation::None, Filter::Area, 0xd5e0_353c_c152_e7a2),
        (Format::I420, (77, 1021), (96, 64), Rotation::Quarter, Filter::Bilinear, 0x3b17_5825_c615_bc59),
    ] {
        let bytes: Vec<u8> = (0..format.frame_bytes(width, height)).map(|at| ((at * 31) >> 3) as u8).collect();
        let geometry = Geometry::new(width, height, View { rotation, ..View::default() }, Size { height: rows, width: columns }).unwrap();
        let mut scratch = vec![0; Rows::scratch_words(format, &geometry, filter).unwrap()];
        let mut source = Rows::new(Kernels::detect(), Frame::packed(format, width, height, &bytes).unwrap(), geometry, filter, &mut scratch).unwrap();
        let mut pixels = vec![0; 3 * usize::from(columns)];
        let mut sum = 0u64;
        for y in 0..usize::from(rows) {
            source.read(y, &mut pixels).unwrap();
            sum = pixels.iter().fold(sum, |sum, value| sum.wrapping_mul(31).wrapping_add(u64::from(*value)));
        }
        assert_eq!(sum, expected, "{format} {width}x{height} to {rows}x{columns}, {rotation:?}, {filter:?}: {sum:016x}");
    }
}
