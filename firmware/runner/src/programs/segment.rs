//! `segment`: the golden frame, and its result as text.

use defmt::Format;
use hrvit_core::{ModelSource, StepCrcs};
use hrvit_format::Head;

use crate::{
    clock::Clock,
    code::Code,
    job::{CRCS, Golden, HEAD, Job, result_crc},
    marker::Marker,
    meter::{Meter, Table},
    programs::Program,
    report, thumbnail,
};

static TABLE: Table = Table::new();

/// Runs the golden frame once, with the time it takes, and shows the label map (or the best classes).
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
}
