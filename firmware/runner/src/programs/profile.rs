//! `profile`: what every step costs.

use defmt::Format;
use hrvit_core::{ModelSource, StepCrcs};

use crate::{
    clock::Clock,
    code::Code,
    job::{CRCS, Golden, Job, found_crc, result_crc},
    marker::Marker,
    meter::{Meter, Table},
    programs::Program,
    report,
};

static TABLE: Table = Table::new();

/// Measures every step over several frames. A frame before them fills caches and gives the CRCs, which would cost time inside the steps.
#[derive(Clone, Copy, Debug)]
pub struct Profile;

impl Program for Profile {
    fn run<S, G, C, M>(&self, job: &mut Job<'_, S, G>, clock: &C, marker: &M) -> Result<(), Code>
    where
        S: ModelSource<Error: Format>,
        G: Golden,
        C: Clock,
        M: Marker,
    {
        job.frame(&StepCrcs(&CRCS))?;
        let meter = Meter::new(clock, marker, &TABLE);
        let a_thousand = clock.in_unit(meter.cost_of_a_thousand());
        for _ in 0..job.frames {
            meter.begin();
            job.frame(&meter)?;
            meter.end();
        }
        report::run(job, clock, job.frames, a_thousand / 1000);
        for at in job.steps() {
            report::step(job.plan(), at, clock.in_unit(TABLE.ticks(at.0)), found_crc(at.0));
        }
        let total = clock.in_unit(meter.total());
        report::total(job.plan(), total, 0, result_crc(job.model));
        let readings = meter.readings();
        let probes = (readings * a_thousand).div_ceil(1000);
        let share = (probes * 100_000).checked_div(total).unwrap_or(0);
        defmt::info!("the clock was read {=u64} times, {=u64}.{=u64:03} % of the total", readings, share / 1000, share % 1000);
        Ok(())
    }
}
