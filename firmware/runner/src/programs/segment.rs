//! `segment`: the golden frame and its result as text. Frames behind the image follow, then a
//! camera's frame, then frames from the serial port.

use defmt::Format;
use hrvit_core::{ModelSource, StepCrcs};
use hrvit_format::Head;

use crate::{
    clock::Clock,
    code::Code,
    golden::Golden,
    job::{CRCS, HEAD, Job, result_crc},
    marker::Marker,
    meter::{Meter, Table},
    port::Rows,
    programs::Program,
    report, thumbnail,
};

static TABLE: Table = Table::new();

/// Runs the golden frame once, with the time it takes, and shows the label map (or the best
/// classes). Then runs every frame behind the image, then a camera's frame. Then runs every frame
/// that a host sends, and sends the label map back.
#[derive(Clone, Copy, Debug)]
pub struct Segment;

impl Program for Segment {
    fn run<S, G, C, M>(&self, job: &mut Job<'_, S, G>, clock: &C, marker: &M) -> Result<(), Code>
    where
        S: ModelSource<Error: Format>,
        G: Golden,
        C: Clock,
        M: Marker,
    {
        golden(job, clock, marker)?;
        clip(job, clock, marker)?;
        #[cfg(feature = "camera")]
        camera(job, clock, marker)?;
        sent(job, clock, marker)
    }
}

fn golden<S, G>(job: &mut Job<'_, S, G>, clock: &impl Clock, marker: &impl Marker) -> Result<(), Code>
where
    S: ModelSource<Error: Format>,
    G: Golden,
{
    let meter = Meter::new(clock, marker, &TABLE);
    let probe = clock.in_unit(meter.cost_of_a_thousand()) / 1000;
    report::run(job, clock, 1, probe);
    meter.begin();
    job.frame(&meter)?;
    meter.end();
    let labels = hrvit_format::crc32(job.labels());
    match HEAD {
        Head::Segformer => {
            thumbnail::draw(job.model.meta(), job.plan().size(), job.labels());
            report::total(job.plan(), clock.in_unit(meter.total()), 0, labels);
        }
        Head::Classifier => {
            thumbnail::list(job.model.meta(), &job.ranked(&StepCrcs(&CRCS))?);
            report::total(job.plan(), clock.in_unit(meter.total()), 0, result_crc(job.model));
        }
    }
    Ok(())
}

/// Frames behind the image, if they are as large as the network's.
fn clip<S, G>(job: &mut Job<'_, S, G>, clock: &impl Clock, marker: &impl Marker) -> Result<(), Code>
where
    S: ModelSource<Error: Format>,
    G: Golden,
{
    let Some(clip) = job.clip else { return Ok(()) };
    for (number, frame) in (0..).zip(clip.frames()) {
        let meter = Meter::new(clock, marker, &TABLE);
        meter.begin();
        match HEAD {
            Head::Segformer => job.own_frame(frame, &meter)?,
            Head::Classifier => _ = job.ranked_of(frame, &meter)?,
        }
        meter.end();
        let crc = match HEAD {
            Head::Segformer => {
                thumbnail::draw(job.model.meta(), job.plan().size(), job.labels());
                hrvit_format::crc32(job.labels())
            }
            Head::Classifier => {
                thumbnail::list(job.model.meta(), &job.ranked_of(frame, &StepCrcs(&CRCS))?);
                result_crc(job.model)
            }
        };
        report::framed(job.plan(), ("clip", number), clock.in_unit(meter.total()), crc);
    }
    Ok(())
}

/// The frame in the camera's buffer.
#[cfg(feature = "camera")]
fn camera<S, G>(job: &mut Job<'_, S, G>, clock: &impl Clock, marker: &impl Marker) -> Result<(), Code>
where
    S: ModelSource<Error: Format>,
    G: Golden,
{
    let meter = Meter::new(clock, marker, &TABLE);
    meter.begin();
    let came = job.camera_frame(&meter);
    meter.end();
    if came? {
        thumbnail::draw(job.model.meta(), job.plan().size(), job.labels());
        report::framed(job.plan(), ("camera", 0), clock.in_unit(meter.total()), hrvit_format::crc32(job.labels()));
    }
    Ok(())
}

/// Frames that somebody sends, until nobody does.
fn sent<S, G>(job: &mut Job<'_, S, G>, clock: &impl Clock, marker: &impl Marker) -> Result<(), Code>
where
    S: ModelSource<Error: Format>,
    G: Golden,
{
    let (Some(port), Head::Segformer) = (job.port, HEAD) else { return Ok(()) };
    for frame in 0..=u16::MAX {
        let rows = Rows { port, clock, frame, rows: job.plan().size().height, want: report::want };
        let meter = Meter::new(clock, marker, &TABLE);
        meter.begin();
        let came = job.sent_frame(&rows, &meter);
        meter.end();
        if !came? {
            break;
        }
        report::labels(job.plan(), frame, job.labels());
        report::framed(job.plan(), ("serial", frame), clock.in_unit(meter.total()), hrvit_format::crc32(job.labels()));
    }
    Ok(())
}
