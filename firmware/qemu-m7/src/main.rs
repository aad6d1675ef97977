//! Runs the golden frame of the model image at 0x6000_0000 and compares every step with the host's result. Also measures the stack that `segment()` takes.
//!
//! Exit codes: 0 all steps equal, 2 no valid image, 3 no plan or engine (arena too small, say), 4 no golden frame, 5 the run failed, 6 a step differs.
#![no_std]
#![no_main]

mod stack;

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m_rt::entry;
use hrvit_core::{Engine, Model, Serial, StepCrcs, WeightPlacement, plan};
use semihosting::{println, process};

/// Where QEMU puts the model image, and how large it may be.
const IMAGE: (*const u8, usize) = (0x6000_0000 as *const u8, 16 << 20);
/// Room for the arena: nano at 192x256 takes 217 KB.
const ARENA_BYTES: usize = 1 << 20;
/// Room for the label map.
const LABEL_BYTES: usize = 512 << 10;
/// The most steps of a network.
const STEPS: usize = 256;

#[repr(C, align(64))]
struct Aligned<const N: usize>([u8; N]);

static CRCS: [AtomicU32; STEPS] = [const { AtomicU32::new(0) }; STEPS];

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::udf();
    }
}

#[entry]
fn main() -> ! {
    // cortex-m-rt hands out a `static mut` of `main` as a unique reference, since the entry runs once.
    static mut ARENA: Aligned<ARENA_BYTES> = Aligned([0; ARENA_BYTES]);
    static mut LABELS: Aligned<LABEL_BYTES> = Aligned([0; LABEL_BYTES]);
    // SAFETY: the machine has 16 MB of readable memory there, which nothing else in this program touches.
    let image = unsafe { core::slice::from_raw_parts(IMAGE.0, IMAGE.1) };
    process::exit(self_test(image, &mut ARENA.0, &mut LABELS.0));
}

fn self_test(image: &[u8], arena: &mut [u8], labels: &mut [u8]) -> i32 {
    let model = match Model::load(image) {
        Ok(model) => model,
        Err(error) => {
            println!("{error}");
            return 2;
        }
    };
    let plan = match plan(&model.meta().network, model.meta().size, 1, WeightPlacement::Mapped) {
        Ok(plan) => plan,
        Err(error) => {
            println!("{error}");
            return 3;
        }
    };
    let Some(golden) = model.golden() else {
        println!("the image has no golden frame");
        return 4;
    };
    let mut engine = match Engine::new(&model, &plan, Serial, arena) {
        Ok(engine) => engine,
        Err(error) => {
            println!("{error}");
            return 3;
        }
    };
    let Some(labels) = labels.get_mut(..plan.size().pixels()) else {
        println!("no room for {} labels", plan.size().pixels());
        return 3;
    };
    let (result, stack) = stack::measure(|| engine.segment(golden.frame, labels, &StepCrcs(&CRCS)));
    if let Err(error) = result {
        println!("{error}");
        return 5;
    }
    println!("arena {} bytes, stack of segment() {} bytes, {} labels", plan.arena_bytes(), stack, labels.len());
    for ((step, here), there) in model.step_ids().zip(&CRCS).zip(golden.crcs) {
        if here.load(Ordering::Relaxed) != *there {
            println!("FAIL: step {} differs from the host", step.1);
            return 6;
        }
    }
    println!("PASS: {} steps equal the host's", golden.crcs.len());
    0
}
