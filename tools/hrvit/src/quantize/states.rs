//! The maps that live between steps, per frame, on disk: only what a step reads is loaded, only
//! what it leaves is stored.

use anyhow::{Context, Result, ensure};
use hrvit_format::{BRANCHES, Step};
use hrvit_reference::{Map, State};

use super::spill::Spill;

/// Maps that a state can hold: residual streams and fusion outputs per branch, the classification
/// head's, the logits.
const SLOTS: usize = 2 * BRANCHES + 2;
/// Slot of the classification head's map.
const HEAD: usize = 2 * BRANCHES;
/// Slot of the logits.
const LOGITS: usize = HEAD + 1;
/// Bytes of rows, columns and channels before the values.
const HEADER: usize = 12;

/// One network's states on every frame.
pub struct States {
    spill: Spill,
}

impl States {
    /// No map yet, for `frames` frames.
    ///
    /// # Errors
    /// If the temporary folder takes no file.
    pub fn new(frames: usize) -> Result<Self> {
        Ok(Self { spill: Spill::new(frames * SLOTS)? })
    }

    /// The maps that `step` reads on `frame`; all others are absent.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn load(&self, step: Step, frame: usize) -> Result<State> {
        let mut state = State::default();
        for slot in reads(step) {
            *place(&mut state, slot) = decode(&self.spill.get(frame * SLOTS + slot)?)?;
        }
        Ok(state)
    }

    /// Stores the map that `step` has left in `state`.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn store(&self, step: Step, frame: usize, state: &mut State) -> Result<()> {
        let map = left_by(step, state).as_ref().with_context(|| format!("{step} left no map"))?;
        self.spill.put(frame * SLOTS + writes(step), &encode(map)?)
    }
}

/// The map that `step` leaves in `state`.
pub fn left_by(step: Step, state: &mut State) -> &mut Option<Map> {
    place(state, writes(step))
}

fn place(state: &mut State, slot: usize) -> &mut Option<Map> {
    match slot {
        LOGITS => &mut state.logits,
        HEAD => &mut state.head,
        slot if slot < BRANCHES => &mut state.x[slot],
        slot => &mut state.fused[slot - BRANCHES],
    }
}

/// Slots that `step` reads. A new branch has nothing before its first fusion: absent maps are
/// stored as nothing.
fn reads(step: Step) -> Vec<usize> {
    match step {
        Step::Stem | Step::LabelMap => Vec::new(),
        Step::Fusion { .. } | Step::Logits => (0..BRANCHES).collect(),
        Step::PatchEmbed { branch, .. } => vec![BRANCHES + usize::from(branch)],
        Step::Attention { branch, .. } | Step::MixCfn { branch, .. } | Step::StageNorm { branch, .. } => vec![usize::from(branch)],
        Step::Increase { branch } => vec![usize::from(branch), HEAD],
        Step::Classify => vec![HEAD],
    }
}

/// The slot that `step` writes.
fn writes(step: Step) -> usize {
    match step {
        Step::Stem => 0,
        Step::Fusion { branch, .. } => BRANCHES + usize::from(branch),
        Step::PatchEmbed { branch, .. } | Step::Attention { branch, .. } | Step::MixCfn { branch, .. } | Step::StageNorm { branch, .. } => branch.into(),
        Step::Increase { .. } => HEAD,
        Step::Logits | Step::LabelMap | Step::Classify => LOGITS,
    }
}

fn encode(map: &Map) -> Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER + 4 * map.data.len()];
    let (header, values) = bytes.as_chunks_mut::<4>().0.split_at_mut(HEADER / 4);
    for (to, side) in header.iter_mut().zip([map.rows, map.columns, map.channels]) {
        *to = u32::try_from(side).context("a map of more than 2^32 rows")?.to_le_bytes();
    }
    for (to, value) in values.iter_mut().zip(&map.data) {
        *to = value.to_le_bytes();
    }
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Option<Map>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (header, values) = bytes.as_chunks::<4>().0.split_at(HEADER / 4);
    let [rows, columns, channels] = [0, 1, 2].map(|i| u32::from_le_bytes(header[i]) as usize);
    let map = Map { rows, columns, channels, data: values.iter().map(|&value| f32::from_le_bytes(value)).collect() };
    ensure!(map.data.len() == rows * columns * channels, "a calibration state of {} bytes came back for {rows}x{columns}x{channels}", bytes.len());
    Ok(Some(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: f32) -> Map {
        Map { rows: 1, columns: 2, channels: 3, data: vec![value; 6] }
    }

    #[test]
    fn a_step_finds_what_the_one_before_it_left() {
        let states = States::new(2).unwrap();
        let embed = Step::PatchEmbed { module: 1, branch: 2 };
        let block = Step::Attention { module: 1, branch: 2, block: 0 };
        for frame in 0..2 {
            let mut state = State::default();
            state.x[2] = Some(map(frame as f32 - 0.5));
            states.store(embed, frame, &mut state).unwrap();
        }
        assert_eq!(states.load(block, 1).unwrap().x, [None, None, Some(map(0.5)), None]);
        assert_eq!(states.load(Step::Fusion { module: 2, branch: 0 }, 0).unwrap().x[2], Some(map(-0.5)));
        assert_eq!(states.load(embed, 0).unwrap(), State::default());
    }

    #[test]
    fn storing_what_is_not_there_is_an_error() {
        let states = States::new(1).unwrap();
        assert!(states.store(Step::Classify, 0, &mut State::default()).unwrap_err().to_string().contains("head.classify"));
    }
}
