//! Requests for one page and answers to them, within bounds: a short head, a short body, soon.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Bytes of a request's head.
const MOST_HEAD: usize = 8192;
/// Headers of a request.
const MOST_HEADERS: usize = 64;
/// Bytes of a request's body.
const MOST_BODY: usize = 4096;
/// How long a whole request may take to come, and an answer to go.
const PATIENCE: Duration = Duration::from_secs(2);

/// A whole request.
#[derive(Debug)]
pub struct Request {
    /// GET or POST, for example.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names and values.
    headers: Vec<(String, String)>,
    /// Bytes behind the head.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one request.
    ///
    /// # Errors
    /// If it is none, is longer than allowed, or does not come in time.
    pub fn read(stream: &mut TcpStream) -> Result<Self> {
        let mut bytes = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        let (mut request, start) = loop {
            if let Some(found) = head(&bytes)? {
                break found;
            }
            ensure!(bytes.len() < MOST_HEAD, "a request's head of more than {MOST_HEAD} bytes");
            more(stream, &mut bytes, deadline)?;
        };
        ensure!(request.header("Transfer-Encoding").is_none(), "a request whose length is not told");
        let length = request.header("Content-Length").map_or(Ok(0), str::parse::<usize>).context("a request's length")?;
        ensure!(length <= MOST_BODY, "a request of {length} bytes: expected at most {MOST_BODY}");
        while bytes.len() - start < length {
            more(stream, &mut bytes, deadline)?;
        }
        request.body = bytes[start..start + length].to_vec();
        Ok(request)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The head that `bytes` begin with, once it is whole, and its length.
fn head(bytes: &[u8]) -> Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = parsed.parse(bytes).context("no request of HTTP")? else { return Ok(None) };
    let headers = parsed.headers.iter().map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())).collect();
    let (method, target) = (parsed.method.unwrap_or_default().to_owned(), parsed.path.unwrap_or_default().to_owned());
    Ok(Some((Request { method, target, headers, body: Vec::new() }, length)))
}

/// Takes in the bytes that come next.
fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>, deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    ensure!(!left.is_zero(), "a request that does not come");
    stream.set_read_timeout(Some(left)).context("a socket")?;
    let mut chunk = [0; 2048];
    match stream.read(&mut chunk) {
        Ok(0) => bail!("a request that ends inside"),
        Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => return Err(error).context("a request that does not come"),
    }
    Ok(())
}

/// An answer.
#[derive(Debug, Default)]
pub struct Answer {
    status: u16,
    kind: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    /// Something of a media type.
    pub fn of(kind: &'static str, body: Vec<u8>) -> Self {
        Self { status: 200, kind, headers: String::new(), body }
    }

    /// A sentence, with a status that says that there is nothing.
    pub fn sentence(status: u16, text: String) -> Self {
        Self { status, ..Self::of("text/plain; charset=utf-8", text.into_bytes()) }
    }

    /// Nothing, which is no mistake.
    pub fn nothing() -> Self {
        Self { status: 204, ..Self::default() }
    }

    /// A number as a header.
    #[must_use]
    pub fn with_number(mut self, name: &str, number: u64) -> Self {
        self.headers += &format!("{name}: {number}\r\n");
        self
    }

    /// Sends it. Pages of others may neither frame nor embed it.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub fn send(self, stream: &mut TcpStream) -> Result<()> {
        let reason = match self.status {
            200 => "OK",
            204 => "No Content",
            404 => "Not Found",
            _ => "Bad Request",
        };
        let kind = if self.kind.is_empty() { String::new() } else { format!("Content-Type: {}\r\n", self.kind) };
        let head = format!(
            "HTTP/1.1 {} {reason}\r\n{kind}{}Content-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\
             X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nCross-Origin-Resource-Policy: same-origin\r\n\r\n",
            self.status,
            self.headers,
            self.body.len()
        );
        stream.set_write_timeout(Some(PATIENCE)).context("a socket")?;
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&self.body)).context("sending an answer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Reads what a program sent that then goes on or hangs up.
    fn read(sent: &[u8], hangs_up: bool) -> Result<Request> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        sender.write_all(sent).unwrap();
        if hangs_up {
            sender.shutdown(std::net::Shutdown::Write).unwrap();
        }
        Request::read(&mut stream)
    }

    #[test]
    fn a_request_is_read_whole() {
        let request = read(b"POST /settings?a=1 HTTP/1.1\r\nhost: localhost\r\nX-Hrvit: 1\r\nContent-Length: 5\r\n\r\nabcde", false).unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str(), request.body.as_slice()), ("POST", "/settings?a=1", &b"abcde"[..]));
        assert_eq!((request.header("Host"), request.header("x-hrvit"), request.header("Accept")), (Some("localhost"), Some("1"), None));
    }

    #[test]
    fn requests_beyond_the_bounds_are_refused() {
        let error = |sent: &[u8]| format!("{:#}", read(sent, true).unwrap_err());
        assert!(error(b"GET / HTTP/1.1\r\nContent-Length: 9000000000000000000\r\n\r\n").contains("at most 4096"));
        assert!(error(b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n").contains("length"));
        assert!(error(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").contains("not told"));
        assert!(error(b"GET / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab").contains("ends inside"));
        assert!(error(b"\x16\x03\x01\x02\x00\x01").contains("no request"));
        let long = [&b"GET / HTTP/1.1\r\nX-Long: "[..], &vec![b'a'; 2 * MOST_HEAD]].concat();
        assert!(error(&long).contains("more than 8192"));
        assert!(error(&[&b"GET / HTTP/1.1\r\n"[..], &b"A: b\r\n".repeat(100), b"\r\n"].concat()).contains("no request"));
    }

    #[test]
    fn a_silent_program_is_given_up() {
        let start = Instant::now();
        let error = read(b"POST / HTTP/1.1\r\nContent-Length: 2000\r\n\r\n", false).unwrap_err();
        assert!(format!("{error:#}").contains("does not come"), "{error:#}");
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
}
