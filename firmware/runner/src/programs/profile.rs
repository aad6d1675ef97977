//! `profile`: what every step costs.

use defmt::Format;
use hrvit_core::{ModelSource, StepCrcs};
use static_cell::ConstStaticCell;

use crate::{
    MAX_STEPS,
    clock::Clock,
    code::Code,
    golden::Golden,
    job::{CRCS, Job, found_crc, result_crc},
    marker::Marker,
    meter::{Meter, Table},
    pair::{self, Pair},
    programs::Program,
    report,
    spread::Spread,
};

static TABLE: Table = Table::new();
/// Ticks of every step, frame by frame.
static SPREADS: ConstStaticCell<[Spread; MAX_STEPS]> = ConstStaticCell::new([Spread::ZERO; MAX_STEPS]);

/// Measures every step over several frames. A frame before them fills caches and gives the CRCs,
/// which would cost time inside the steps.
///
/// Of several frames it also prints how much they differ, and the time of the very first one. That
/// one runs before all others, while no cache holds code or weights of a frame.
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
        let mut spreads = SPREADS.try_take().filter(|_| job.frames > 1);
        let mut warm = Spread::ZERO;
        let mut cold = 0;
        if spreads.is_some() {
            let meter = Meter::new(clock, marker, &TABLE);
            meter.begin();
            job.frame(&meter)?;
            meter.end();
            cold = clock.in_unit(meter.total());
        }
        job.frame(&StepCrcs(&CRCS))?;
        Pair::take_saved();
        let meter = Meter::new(clock, marker, &TABLE);
        let a_thousand = clock.in_unit(meter.cost_of_a_thousand());
        for _ in 0..job.frames {
            meter.begin();
            job.frame(&meter)?;
            meter.end();
            warm.look(clock.in_unit(meter.total()));
            for ((id, _), spread) in job.steps().zip(spreads.iter_mut().flat_map(|spreads| spreads.iter_mut())) {
                spread.look(clock.in_unit(TABLE.ticks(id)));
            }
        }
        report::run(job, clock, job.frames, a_thousand / 1000);
        for at in job.steps() {
            report::step(job.plan(), at, clock.in_unit(TABLE.ticks(at.0)), found_crc(at.0));
        }
        if let Some(spreads) = spreads {
            job.steps().zip(spreads.iter()).for_each(|((id, _), spread)| report::spread(id, spread));
            report::latency(cold, &warm);
        }
        let total = clock.in_unit(meter.total());
        report::total(job.plan(), total, 0, result_crc(job.model));
        if cfg!(feature = "two-cores") && !pair::is_attended() {
            let saved = clock.in_unit(Pair::take_saved());
            defmt::info!("one core has done the work of two: a second one would save {=u64} of {=u64}", saved, total);
        }
        let readings = meter.readings();
        let probes = (readings * a_thousand).div_ceil(1000);
        let share = (probes * 100_000).checked_div(total).unwrap_or(0);
        defmt::info!("the clock was read {=u64} times, {=u64}.{=u64:03} % of the total", readings, share / 1000, share % 1000);
        Ok(())
    }
}
