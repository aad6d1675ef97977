//! The page and what it asks for, on this machine alone.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hrvit_core::Isa;
use serde::Serialize;

use super::http::{Answer, Request};
use super::meter::Figures;
use super::render::Picture;
use super::worker::Live;
use super::workshop::{About, Settings};

/// The page.
const PAGE: &str = include_str!("page.html");
/// Threads that answer. Pictures of three kinds wait for the next frame at a time, on each of a
/// few open pages.
const ANSWERERS: usize = 16;
/// How long a picture waits for a newer frame.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// The page's server.
pub struct Server {
    listener: TcpListener,
    /// Its port on this machine.
    pub port: u16,
}

impl Server {
    /// Opens the port; 0 takes any that is free.
    ///
    /// # Errors
    /// If it is taken.
    pub fn open(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("port {port}; --port 0 takes a free one"))?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Starts the threads that answer until [`Server::close`].
    pub fn start<'s>(&'s self, scope: &'s Scope<'s, '_>, live: &'s Live) {
        for _ in 0..ANSWERERS {
            scope.spawn(|| {
                while !live.ended.load(Ordering::Relaxed) {
                    match self.listener.accept() {
                        Ok((stream, _)) => answer(stream, live),
                        // No socket is left, for example: others may end soon.
                        Err(_) => std::thread::sleep(Duration::from_millis(10)),
                    }
                }
            });
        }
    }

    /// Wakes the threads that answer, so that they see that the command has ended.
    pub fn close(&self) {
        (0..ANSWERERS).for_each(|_| _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

fn answer(mut stream: TcpStream, live: &Live) {
    let answer = Request::read(&mut stream).and_then(|request| reply(&request, live));
    let answer = answer.unwrap_or_else(|error| Answer::sentence(400, format!("{error:#}\n")));
    // Whoever asked may be gone.
    _ = answer.send(&mut stream);
}

fn reply(request: &Request, live: &Live) -> Result<Answer> {
    ensure!(is_local(request), "this page is for this machine: open it as localhost");
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    match (request.method.as_str(), path) {
        ("GET", "/") => Ok(Answer::of("text/html; charset=utf-8", PAGE.into())),
        ("GET", "/state") => state(live),
        ("GET", "/picture") => picture(live, query),
        ("POST", "/settings") => {
            // A page of somebody else's cannot send this header.
            ensure!(request.header("X-Hrvit").is_some(), "settings come from the page");
            live.workshop.want(serde_json::from_slice(&request.body).context("settings")?)?;
            state(live)
        }
        _ => Ok(Answer::sentence(404, "there is no such page\n".to_owned())),
    }
}

/// Whether the page was asked for by a name of this machine: names of others may lead here too.
fn is_local(request: &Request) -> bool {
    request.header("Host").is_some_and(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host });
        ["localhost", "127.0.0.1", "[::1]"].contains(&name)
    })
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
        return Ok(Answer::nothing());
    };
    Ok(Answer::of("image/jpeg", shown.jpeg(picture)?).with_number("X-Number", shown.number))
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
    Ok(Answer::of("application/json", serde_json::to_vec(&state)?))
}
