//! Every line that can be read is written and read again.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use hrvit_log::{
    Conformance, Crc, DeviceError, Drift, Fail, Fault, FaultsPassed, Kernel, LineError, LogitsPpm, Pass, Run, SelfTest, Size, SlotImage, SlotRefused, Step,
    Total, Unit,
};

/// Reads `line` as each kind of line, and its words as each kind of value.
pub fn check(line: &str) {
    round::<Run<String>>(line);
    round::<Step<String, String>>(line);
    round::<Total>(line);
    round::<Drift>(line);
    round::<Pass>(line);
    round::<Fail<String>>(line);
    round::<Kernel<String>>(line);
    round::<Conformance<String>>(line);
    round::<Fault<String>>(line);
    round::<FaultsPassed>(line);
    round::<DeviceError<String>>(line);
    round::<SlotImage<String>>(line);
    round::<SlotRefused<String, String>>(line);
    if let Ok(verdict) = line.parse::<SelfTest>() {
        assert_eq!(selftest(&verdict).parse(), Ok(verdict), "{line:?}");
    }
    for word in line.split([' ', '=']) {
        value::<Crc>(word);
        value::<LogitsPpm>(word);
        value::<Size>(word);
        value::<Unit>(word);
    }
}

/// The line of a verdict.
pub fn selftest(verdict: &SelfTest) -> String {
    match verdict {
        SelfTest::Pass(pass) => pass.to_string(),
        SelfTest::Fail(fail) => fail.to_string(),
    }
}

fn round<T: FromStr<Err = LineError> + Display + PartialEq + Debug>(line: &str) {
    match line.parse::<T>() {
        Ok(read) => assert_eq!(read.to_string().parse::<T>().as_ref(), Ok(&read), "{line:?} is written as {:?}", read.to_string()),
        Err(error) => assert!(error.to_string().contains("expected `"), "{error}"),
    }
}

fn value<T: FromStr + Display + PartialEq + Debug>(word: &str) {
    if let Ok(read) = word.parse::<T>() {
        assert_eq!(read.to_string().parse::<T>().ok().as_ref(), Some(&read), "{word:?} is written as {:?}", read.to_string());
    }
}
