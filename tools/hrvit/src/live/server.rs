//! The page and what it asks for, on this machine alone.

use std::io::Read;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hrvit_core::Isa;
use serde::Serialize;
use tiny_http::{Header, Method, Request, Response, Server};

use super::meter::Figures;
use super::render::Picture;
use super::worker::Live;
use super::workshop::{About, Settings};

/// The page.
const PAGE: &str = include_str!("page.html");
/// Threads that answer: pictures of three kinds wait for the next frame at a time.
pub const ANSWERERS: usize = 6;
/// How long a picture waits for a newer frame.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a thread waits for a question before it looks whether the command has ended.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes that settings may have.
const MOST_SETTINGS: u64 = 4096;

/// State that the page shows beside pictures.
#[derive(Serialize)]
struct State<'s> {
    /// Engine of the last frame.
    about: Option<&'s About>,
    /// Settings of the next frames.
    wanted: Settings,
    models: Vec<String>,
    isas: Vec<&'static str>,
    /// Which frame was run last.
    number: u64,
    figures: Figures,
    arrived: u64,
    dropped: u64,
    /// Times of the last frame.
    last_ms: [f64; 3],
    /// Classes of the last frame, as shares.
    shares: Vec<f64>,
    /// The last error, if there was one.
    complaint: Option<String>,
    ended: bool,
}

/// An answer.
type Answer = Response<std::io::Cursor<Vec<u8>>>;

/// Answers until the command ends.
pub fn answer(server: &Server, live: &Live) {
    while !live.ended.load(Ordering::Relaxed) {
        // An interrupted wait is no end.
        let Ok(Some(mut request)) = server.recv_timeout(LOOK) else { continue };
        let answer = reply(&mut request, live).unwrap_or_else(|error| Response::from_string(format!("{error:#}\n")).with_status_code(400));
        // Whoever asked may be gone.
        _ = request.respond(answer);
    }
}

fn reply(request: &mut Request, live: &Live) -> Result<Answer> {
    ensure!(is_local(request), "this page is for this machine: open it as localhost");
    let url = request.url().to_owned();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    match (request.method(), path) {
        (Method::Get, "/") => Ok(Response::from_string(PAGE).with_header(header("Content-Type", "text/html; charset=utf-8")?)),
        (Method::Get, "/state") => state(live),
        (Method::Get, "/picture") => picture(live, query),
        (Method::Post, "/settings") => {
            // A page of somebody else's cannot send this header.
            ensure!(request.headers().iter().any(|header| header.field.equiv("X-Hrvit")), "settings come from the page");
            let mut text = String::new();
            request.as_reader().take(MOST_SETTINGS).read_to_string(&mut text).context("reading settings")?;
            live.workshop.want(serde_json::from_str(&text).context("settings")?)?;
            state(live)
        }
        _ => Ok(Response::from_string("there is no such page\n").with_status_code(404)),
    }
}

/// Whether the page was asked for by a name of this machine: names of others may lead here too.
fn is_local(request: &Request) -> bool {
    let host = request.headers().iter().find(|header| header.field.equiv("Host")).map(|header| header.value.as_str());
    host.is_some_and(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host });
        ["localhost", "127.0.0.1", "[::1]"].contains(&name)
    })
}

fn header(name: &str, value: &str) -> Result<Header> {
    Header::from_bytes(name, value).ok().with_context(|| format!("a header {name}: {value}"))
}

fn picture(live: &Live, query: &str) -> Result<Answer> {
    let value = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str| value(name).map(|text| text.parse::<u64>().with_context(|| format!("{name}={text}"))).transpose();
    let picture = match value("view") {
        Some("frame") => Picture::Frame,
        Some("overlay") => Picture::Overlay(number("alpha")?.unwrap_or(128).min(255) as u8),
        Some("margin") => Picture::Margin,
        other => bail!("view={}: expected frame, overlay or margin", other.unwrap_or_default()),
    };
    let after = number("after")?.unwrap_or(0);
    let Some(shown) = live.shown.wait(PATIENCE, |shown| shown.number > after).filter(|shown| shown.number > after) else {
        return Ok(Response::from_data(Vec::new()).with_status_code(204));
    };
    let answer = Response::from_data(shown.jpeg(picture)?).with_header(header("Content-Type", "image/jpeg")?);
    Ok(answer.with_header(header("Cache-Control", "no-store")?).with_header(header("X-Number", &shown.number.to_string())?))
}

fn state(live: &Live) -> Result<Answer> {
    let shown = live.shown.wait(Duration::ZERO, |_| true);
    let (arrived, dropped) = live.arrived.counts();
    let shares = shown.as_ref().map_or_else(Vec::new, |shown| {
        let mut counts = vec![0u64; shown.about.classes.len()];
        shown.labels.iter().for_each(|label| {
            if let Some(count) = counts.get_mut(usize::from(*label)) {
                *count += 1;
            }
        });
        counts.into_iter().map(|count| count as f64 / shown.labels.len().max(1) as f64).collect()
    });
    let own = live.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let state = State {
        about: shown.as_ref().map(|shown| shown.about.as_ref()),
        wanted: live.workshop.wanted(),
        models: live.workshop.models().iter().map(|path| path.display().to_string()).collect(),
        isas: Isa::available().map(Isa::name).collect(),
        number: shown.as_ref().map_or(0, |shown| shown.number),
        figures: live.meter.lock().unwrap_or_else(PoisonError::into_inner).figures(Instant::now()),
        arrived,
        dropped,
        last_ms: shown.as_ref().map_or([0.0; 3], |shown| [shown.took.wait, shown.took.rows, shown.took.network].map(|took| 1e3 * took.as_secs_f64())),
        shares,
        complaint: live.workshop.complaint().or(own),
        ended: live.ended.load(Ordering::Relaxed),
    };
    Ok(Response::from_string(serde_json::to_string(&state)?).with_header(header("Content-Type", "application/json")?))
}
