//! The lines. Parameters are texts: what a device can write, or a host can own.

use crate::{
    declare::line,
    value::{Crc, LogitsPpm, Size, Unit},
};

line! {
    /// The program that runs, and its machine.
    Run<T> = "hrvit run: machine={} unit={} clock_hz={} network={} size={} steps={} frames={} arena={} weights={} probe={}" {
        /// Name of the machine or board.
        machine: T,
        /// Unit of `ticks`.
        unit: Unit,
        /// Units per second, 0 if unknown.
        clock_hz: u32,
        /// Name of the network.
        network: T,
        /// Size of a frame.
        size: Size,
        /// Steps of the network.
        steps: usize,
        /// Frames that are measured.
        frames: u32,
        /// Bytes of the arena.
        arena: usize,
        /// Place that the weights are read from: `mapped`, `embedded` or `streamed`.
        weights: T,
        /// Units that one reading of the clock takes.
        probe: u64,
    }
}

line! {
    /// One step.
    Step<K, N> = "hrvit step: id={} kind={} name=\"{}\" ticks={} macs={} crc={}" {
        /// Position in canonical order.
        id: u16,
        /// Kind of block: `Stem`, `Attention` and so on.
        kind: K,
        /// Name, as in the graph.
        name: N,
        /// Units of all frames together.
        ticks: u64,
        /// Multiply-accumulates of one frame.
        macs: u64,
        /// CRC of the tensor that the step leaves behind.
        crc: Crc,
    }
}

line! {
    /// All steps together, and what lies between them.
    Total = "hrvit total: ticks={} macs={} stack={} labels_crc={}" {
        /// Units of all frames together; 0 if no time was taken.
        ticks: u64,
        /// Multiply-accumulates of one frame.
        macs: u64,
        /// Bytes of stack that one frame took; 0 if that was not measured.
        stack: usize,
        /// CRC of the result: label map or logits.
        labels_crc: Crc,
    }
}

line! {
    /// Units of one step in the frames that are measured, one by one. Only where there are several.
    Spread = "hrvit spread: id={} mean={} deviation={} least={} most={}" {
        /// Position in canonical order.
        id: u16,
        /// Mean of the frames, rounded down.
        mean: u64,
        /// Standard deviation of a frame, rounded down.
        deviation: u64,
        /// The fewest.
        least: u64,
        /// The most.
        most: u64,
    }
}

line! {
    /// Units of a whole frame: of the first one after the start, without code and weights in a
    /// cache, and of the measured ones. Only where there are several.
    Latency = "hrvit latency: cold={} mean={} deviation={} least={} most={}" {
        /// Of the first frame after the start.
        cold: u64,
        /// Mean of the frames that are measured, rounded down.
        mean: u64,
        /// Their standard deviation, rounded down.
        deviation: u64,
        /// The fewest.
        least: u64,
        /// The most.
        most: u64,
    }
}

line! {
    /// The program asks for a row of a frame over its serial port; an answer is made by
    /// [`crate::answer`].
    Want = "hrvit want: frame={} row={} bytes={} rows={}" {
        /// Which frame, from 0.
        frame: u16,
        /// Which row, from 0.
        row: u16,
        /// Bytes of a row: three for each pixel.
        bytes: usize,
        /// Rows of a frame.
        rows: u16,
    }
}

line! {
    /// A frame other than the golden one has gone through.
    Framed<T> = "hrvit frame: source={} number={} size={} ticks={} labels_crc={}" {
        /// `clip`, `camera` or `serial`.
        source: T,
        /// Which one of that source, from 0.
        number: u16,
        /// Size of a frame.
        size: Size,
        /// Units that it took; of a serial port those that its rows took to come too.
        ticks: u64,
        /// CRC of the label map.
        labels_crc: Crc,
    }
}

line! {
    /// A part of a row of the label map of a frame that came over the serial port.
    Labels<T> = "hrvit labels: frame={} row={} column={} runs={}" {
        /// Which frame, from 0.
        frame: u16,
        /// Row, from 0.
        row: u16,
        /// First column, from 0.
        column: u16,
        /// Labels from left to right, as [`crate::Runs`] writes them.
        runs: T,
    }
}

line! {
    /// How far the frame of an image with half-precision steps is from the definition.
    Drift = "hrvit drift: logits_ppm={} differ={} labels={}" {
        /// Largest difference of logits.
        logits_ppm: LogitsPpm,
        /// Labels that differ.
        differ: usize,
        /// All labels.
        labels: usize,
    }
}

line! {
    /// These many steps are what the host got; with half precision those before the first such
    /// step, and the result is within bounds.
    Pass = "hrvit selftest: PASS steps={}" {
        /// How many steps were compared.
        steps: usize,
    }
}

line! {
    /// The first step that is not what the host got.
    Fail<N> = "hrvit selftest: FAIL id={} name=\"{}\" expected={} found={}" {
        /// Position in canonical order.
        id: u16,
        /// Name, as in the graph.
        name: N,
        /// CRC on the host.
        expected: Crc,
        /// CRC on the device.
        found: Crc,
    }
}

line! {
    /// The file that serves a family of kernels.
    Kernel<T> = "hrvit kernel: machine={} isa={} family=\"{}\" file={}" {
        /// Name of the machine or board.
        machine: T,
        /// Instruction set.
        isa: T,
        /// Name of the family.
        family: T,
        /// Name of the source file.
        file: T,
    }
}

line! {
    /// The kernels of one instruction set against their definition.
    Conformance<T> = "hrvit conformance: machine={} isa={} cases={} failures={}" {
        /// Name of the machine or board.
        machine: T,
        /// Instruction set.
        isa: T,
        /// Operands tried.
        cases: u32,
        /// Cases with another result.
        failures: u32,
    }
}

line! {
    /// A fault of the flash that is made on purpose.
    Fault<T> = "hrvit fault: kind={} read={} of={}" {
        /// `error`, `short` or `flip`.
        kind: T,
        /// The read of the flash that it happens at, from 0.
        read: usize,
        /// The last read of a frame without faults.
        of: usize,
    }
}

line! {
    /// Every fault ended in an error, and a frame after them was right.
    FaultsPassed = "hrvit faults: PASS cases={}" {
        /// How many faults.
        cases: u32,
    }
}

line! {
    /// Why a program gives up, or what a fault ended in.
    DeviceError<T> = "hrvit error: code={} {}" {
        /// The program's exit code.
        code: u8,
        /// In words.
        text: T,
    }
}

line! {
    /// The program has ended; nothing follows. Only boards say so, whose log nothing else ends.
    End = "hrvit end: code={}" {
        /// The program's exit code.
        code: u8,
    }
}

line! {
    /// A slot with a valid image.
    SlotImage<T> = "slot {}: image number {}" {
        /// Name of the slot.
        slot: T,
        /// The image's serial number (RFC 1982): the greater one is newer.
        number: u32,
    }
}

line! {
    /// Why a slot has no valid image. Reads the line of a valid one too.
    SlotRefused<T, E> = "slot {}: {}" {
        /// Name of the slot.
        slot: T,
        /// Why.
        reason: E,
    }
}
