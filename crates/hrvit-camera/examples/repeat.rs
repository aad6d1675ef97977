//! Makes the rows of one frame over and over, for whoever counts instructions or time.
//!
//! ```sh
//! cargo run --release -p hrvit-camera --example repeat -- nv12 1280x720 192x256 0 area 1000
//! ```

use std::hint::black_box;
use std::str::FromStr;
use std::time::Instant;

use hrvit_camera::{Filter, Format, Frame, Geometry, Kernels, Rotation, Rows, View};
use hrvit_format::Size;

const USAGE: &str = "expected FORMAT WIDTHxHEIGHT ROWSxCOLUMNS DEGREES area|bilinear TIMES, for example nv12 1280x720 192x256 0 area 1000";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [format, frame, input, degrees, filter, times] = arguments.as_slice() else { return Err(USAGE.into()) };
    let (width, height) = sides::<usize>(frame)?;
    let (rows, columns) = sides(input)?;
    let format: Format = format.parse()?;
    let view = View { rotation: Rotation::from_degrees(degrees.parse()?).ok_or(USAGE)?, ..View::default() };
    let filter = if filter == "bilinear" { Filter::Bilinear } else { Filter::Area };

    let geometry = Geometry::new(width, height, view, Size { height: rows, width: columns })?;
    let bytes: Vec<u8> = (0..format.frame_bytes(width, height)).map(|at| ((at * 31) >> 3) as u8).collect();
    let frame = Frame::packed(format, width, height, &bytes)?;
    let mut scratch = vec![0; Rows::scratch_words(format, &geometry, filter)?];
    let words = scratch.len();
    let mut pixels = vec![0; 3 * usize::from(columns)];
    let mut sum = 0u64;
    let start = Instant::now();
    for _ in 0..times.parse::<u32>()? {
        let mut source = Rows::new(Kernels::detect(), frame, geometry, filter, &mut scratch)?;
        for y in 0..usize::from(rows) {
            source.read(y, black_box(&mut pixels))?;
            sum = pixels.iter().fold(sum, |sum, value| sum.wrapping_mul(31).wrapping_add(u64::from(*value)));
        }
    }
    println!("{:.3} s, scratch of {words} words, checksum {sum:016x}", start.elapsed().as_secs_f64());
    Ok(())
}

/// The two numbers of `AxB`.
fn sides<T: FromStr>(text: &str) -> Result<(T, T), Box<dyn std::error::Error>> {
    let (first, second) = text.split_once('x').ok_or(USAGE)?;
    let side = |text: &str| text.parse().map_err(|_| USAGE);
    Ok((side(first)?, side(second)?))
}
