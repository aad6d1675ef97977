//! How fast the float operators are on this machine, one thread: billions of operations per second
//! of products, billions of values of everything else.
//!
//! `cargo run --release -p hrvit-reference --example speed`

use std::hint::black_box;
use std::time::{Duration, Instant};

use hrvit_reference::Map;
use hrvit_reference::operators::{
    activation::apply_gelu,
    attention::{Softmax, cross_shaped},
    convolution::{Window, dense, depthwise},
    des,
    linear::linear,
    normalise::normalise,
};

/// How long every operator is repeated.
const TIME: Duration = Duration::from_millis(300);

fn main() {
    println!("{:<28} {:>12}", "product", "GFLOP/s");
    for (name, side, cin, cout) in
        [("qkv, branch 0", 128, 32, 64), ("fc1", 128, 32, 128), ("fc2", 128, 128, 32), ("fc1, branch 2", 32, 128, 512), ("fc2", 32, 512, 128)]
    {
        let (x, weight, bias) = (map(side, cin), values(cin * cout), values(cout));
        report(name, 2 * x.tokens() * cin * cout, || linear(&x, &weight, &bias));
    }
    let (x, weight, bias) = (map(256, 32), values(9 * 32 * 32), values(32));
    report("3x3, stride 2", 2 * 128 * 128 * 9 * 32 * 32, || dense(&x, &weight, &bias, Window { kernel: 3, stride: 2 }));
    let qv = map(64, 128);
    report("attention, 128 keys", 2 * 2 * qv.tokens() * 128 * 64, || cross_shaped(&qv, false, 2, 32, Softmax::Base2).values);
    let (x, weight, bias) = (map(128, 64), values(64), values(8));
    report("shortcut, right", 2 * x.data.len() * 8, || des::right(&x, &weight, &bias));
    report("shortcut, left", 2 * x.data.len() * 8, || des::left(&x, &weight, &bias));
    for kernel in [3, 5] {
        let (x, weight, bias) = (map(128, 64), values(kernel * kernel * 64), values(64));
        report(&format!("depthwise {kernel}x{kernel}"), 2 * x.data.len() * kernel * kernel, || depthwise(&x, &weight, &bias, Window { kernel, stride: 1 }));
    }
    println!("{:<28} {:>12}", "map", "Gvalues/s");
    let x = map(128, 128);
    report("GELU", x.data.len(), || {
        let mut y = x.clone();
        apply_gelu(&mut y);
        y
    });
    report("LayerNorm", x.data.len(), || normalise(&x));
}

fn report(name: &str, operations: usize, run: impl Fn() -> Map) {
    let (start, mut best) = (Instant::now(), Duration::MAX);
    while start.elapsed() < TIME {
        let one = Instant::now();
        black_box(run());
        best = best.min(one.elapsed());
    }
    println!("{name:<28} {:>12.1}", operations as f64 / best.as_secs_f64() / 1e9);
}

fn map(side: usize, channels: usize) -> Map {
    Map { rows: side, columns: side, channels, data: values(side * side * channels) }
}

/// Values between -2 and 2.
fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 4001) as f32 / 1000.0 - 2.0).collect()
}
