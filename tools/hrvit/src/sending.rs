//! A conversation with a device over its serial port: it asks for rows of frames, and sends label
//! maps back.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hrvit_log::{DeviceError, End, Framed, Labels, Want, answer};

use crate::profile::decode::Strings;

/// Source of frames to send: frames of one size, as they are asked for.
pub trait Feed {
    /// Rows and bytes of a row.
    fn shape(&self) -> (usize, usize);
    /// The next frame, `[height, width, 3]`; `None` behind the last one.
    ///
    /// # Errors
    /// If it cannot be read.
    fn next(&mut self) -> Result<Option<Vec<u8>>>;
    /// Result of the frame before: its label map, and what the device says of it.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn came_back(&mut self, labels: Vec<u8>, framed: &Framed<String>) -> Result<()>;
    /// A line of the log that is none of the conversation.
    fn said(&mut self, line: &str);
}

/// The frame that rows are asked of, and what has come of its label map.
struct Current {
    number: u16,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// Answers what comes over `port` until the program has ended, or `patience` is over without a word
/// of it. Returns its exit code.
///
/// # Errors
/// If the port fails, or the device wants frames of another shape, gives up, sends damaged labels
/// or falls silent.
pub fn converse(port: &mut (impl Read + Write), strings: &Strings, feed: &mut impl Feed, patience: Duration) -> Result<u8> {
    let (mut pending, mut chunk, mut heard, mut current) = (Vec::new(), [0; 4096], Instant::now(), None);
    loop {
        match port.read(&mut chunk) {
            Ok(count) if count > 0 => {
                heard = Instant::now();
                pending.extend_from_slice(&chunk[..count]);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error).context("reading from the port"),
        }
        // Frames of the log end in a zero; the first one may have lost its beginning.
        while let Some(end) = pending.iter().position(|byte| *byte == 0) {
            let message: Vec<u8> = pending.drain(..=end).collect();
            let Some(lines) = strings.message(&message) else { continue };
            for line in lines.lines() {
                if let Some(reply) = take(line, feed, &mut current)? {
                    port.write_all(&reply).and_then(|()| port.flush()).context("writing to the port")?;
                }
                if let Ok(End { code }) = line.parse() {
                    // Who has ended already does not want to know.
                    _ = port.write_all(&[answer::HEARD]).and_then(|()| port.flush());
                    return Ok(code);
                }
            }
        }
        ensure!(
            heard.elapsed() < patience,
            "the program said nothing for {} s. Was it reset, does it take frames (`segment`), and is it the program of --elf?",
            patience.as_secs()
        );
    }
}

/// Takes a line; what to answer, if it asks for something.
fn take(line: &str, feed: &mut impl Feed, current: &mut Option<Current>) -> Result<Option<Vec<u8>>> {
    if let Ok(want) = line.parse::<Want>() {
        return answer_to(want, feed, current).map(Some);
    }
    if let Ok(Labels::<String> { frame, row, column, runs }) = line.parse() {
        let Some(current) = current.as_mut().filter(|current| current.number == frame) else { return Ok(None) };
        let (rows, row_bytes) = feed.shape();
        let (width, at) = (row_bytes / 3, usize::from(row) * (row_bytes / 3) + usize::from(column));
        ensure!(usize::from(row) < rows && at == current.labels.len(), "labels of frame {frame} at row {row}, column {column} came out of order");
        let labels = hrvit_log::labels(&runs, width - usize::from(column)).with_context(|| format!("labels of frame {frame}, row {row}: {runs}"))?;
        current.labels.extend(labels);
        return Ok(None);
    }
    match line.parse::<Framed<String>>() {
        Ok(framed) if framed.source == "serial" => {
            let Some(Current { labels, .. }) = current.take().filter(|current| current.number == framed.number) else { return Ok(None) };
            let (found, expected) = (hrvit_format::crc32(&labels), framed.labels_crc.0);
            ensure!(found == expected, "the labels of frame {} did not arrive whole: CRC {found:08x}, {expected:08x} on the device", framed.number);
            feed.came_back(labels, &framed)?;
        }
        _ => {
            if let Ok(DeviceError::<String> { code, text }) = line.parse() {
                bail!("the device gave up with code {code}: {text}");
            }
            feed.said(line);
        }
    }
    Ok(None)
}

/// The row that is wanted, of the frame before or of the next one, or that there is none.
fn answer_to(Want { frame, row, bytes, rows }: Want, feed: &mut impl Feed, current: &mut Option<Current>) -> Result<Vec<u8>> {
    let shape = feed.shape();
    ensure!(
        (usize::from(rows), bytes) == shape,
        "the device wants frames of {rows} rows of {bytes} bytes, those of --model have {} of {}: is it the model that was flashed?",
        shape.0,
        shape.1
    );
    if current.as_ref().is_none_or(|current| current.number != frame) {
        let Some(pixels) = feed.next()? else { return Ok(vec![answer::NO_MORE]) };
        *current = Some(Current { number: frame, pixels, labels: Vec::new() });
    }
    let start = usize::from(row) * bytes;
    let pixels = current.as_ref().and_then(|current| current.pixels.get(start..start + bytes));
    let pixels = pixels.with_context(|| format!("the device wants row {row} of {rows}"))?;
    Ok(answer::row(frame, row, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two {
        frames: Vec<Vec<u8>>,
        back: Vec<Vec<u8>>,
        text: Vec<String>,
    }
    impl Feed for Two {
        fn shape(&self) -> (usize, usize) {
            (2, 6)
        }
        fn next(&mut self) -> Result<Option<Vec<u8>>> {
            Ok(self.frames.pop())
        }
        fn came_back(&mut self, labels: Vec<u8>, _: &Framed<String>) -> Result<()> {
            self.back.push(labels);
            Ok(())
        }
        fn said(&mut self, line: &str) {
            self.text.push(line.to_owned());
        }
    }

    fn conversation(lines: &[&str]) -> (Two, Vec<Result<Option<Vec<u8>>>>) {
        let mut feed = Two { frames: vec![(0..12).collect()], back: Vec::new(), text: Vec::new() };
        let mut current = None;
        let replies = lines.iter().map(|line| take(line, &mut feed, &mut current)).collect();
        (feed, replies)
    }

    const ROW_0: &str = "hrvit want: frame=0 row=0 bytes=6 rows=2";

    #[test]
    fn rows_go_out_and_labels_come_back() {
        let crc = hrvit_format::crc32(&[3, 3, 0, 1]);
        let done = format!("hrvit frame: source=serial number=0 size=32x32 ticks=5 labels_crc={crc:08x}");
        let lines = [
            "hello",
            ROW_0,
            ROW_0,
            "hrvit want: frame=0 row=1 bytes=6 rows=2",
            "hrvit labels: frame=0 row=0 column=0 runs=2x3",
            "hrvit labels: frame=0 row=1 column=0 runs=1x0",
            "hrvit labels: frame=0 row=1 column=1 runs=1x1",
            &done,
            "hrvit want: frame=1 row=0 bytes=6 rows=2",
        ];
        let (feed, replies) = conversation(&lines);
        let replies: Vec<_> = replies.into_iter().map(Result::unwrap).collect();
        assert_eq!(replies[1], Some(answer::row(0, 0, &[0, 1, 2, 3, 4, 5])));
        assert_eq!(replies[1], replies[2], "asked for again");
        assert_eq!(replies[3], Some(answer::row(0, 1, &[6, 7, 8, 9, 10, 11])));
        assert_eq!(replies[8], Some(vec![answer::NO_MORE]));
        assert_eq!((feed.back, feed.text), (vec![vec![3, 3, 0, 1]], vec!["hello".to_owned()]));
    }

    #[test]
    fn labels_that_do_not_arrive_whole_are_refused() {
        let (_, mut replies) = conversation(&[ROW_0, "hrvit labels: frame=0 row=1 column=0 runs=2x3"]);
        assert!(replies.pop().unwrap().unwrap_err().to_string().contains("out of order"));
        let done = "hrvit frame: source=serial number=0 size=32x32 ticks=5 labels_crc=00000001";
        let (_, mut replies) = conversation(&[ROW_0, "hrvit labels: frame=0 row=0 column=0 runs=2x3", done]);
        assert!(replies.pop().unwrap().unwrap_err().to_string().contains("did not arrive whole"));
        let (_, mut replies) = conversation(&[ROW_0, "hrvit labels: frame=0 row=0 column=0 runs=3x3"]);
        assert!(replies.pop().unwrap().is_err(), "more than the row has");
    }

    #[test]
    fn another_shape_and_an_error_of_the_device_end_it() {
        let (_, mut replies) = conversation(&["hrvit want: frame=0 row=0 bytes=9 rows=2"]);
        assert!(replies.pop().unwrap().unwrap_err().to_string().contains("model that was flashed"));
        let (_, mut replies) = conversation(&["hrvit error: code=9 it went wrong"]);
        assert!(replies.pop().unwrap().unwrap_err().to_string().contains("code 9: it went wrong"));
    }
}
