//! Two slots for model images in flash, so that one slot can be rewritten while the other stays
//! valid. Of two valid images the newer one is used. An image whose writing was interrupted is not
//! valid.

use crate::{error::LoadError, model::Model};

/// Whether sequence number `a` is newer than `b`, in serial-number arithmetic (RFC 1982). Numbers
/// may wrap, as long as two compared numbers are less than 2^31 apart. If they are exactly 2^31
/// apart, neither is newer.
pub const fn is_newer(a: u32, b: u32) -> bool {
    let ahead = a.wrapping_sub(b);
    ahead != 0 && ahead < 1 << 31
}

/// One of two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

/// The slot to use. `a` and `b` are the sequence numbers of the slots' images, or the reasons that
/// a slot has no valid image. If neither image is newer, slot A is used.
///
/// # Errors
/// Both reasons, if neither slot holds a valid image.
pub fn choose<E>(a: Result<u32, E>, b: Result<u32, E>) -> Result<Slot, [E; 2]> {
    match (a, b) {
        (Ok(a), Ok(b)) if is_newer(b, a) => Ok(Slot::B),
        (Ok(_), _) => Ok(Slot::A),
        (Err(_), Ok(_)) => Ok(Slot::B),
        (Err(a), Err(b)) => Err([a, b]),
    }
}

/// The model to use, and the content of the slots.
#[derive(Clone, Debug)]
pub struct Loaded<'a> {
    /// Slot that holds the model.
    pub slot: Slot,
    /// The model.
    pub model: Model<'a>,
    /// For each slot the sequence number of its image, or the reason that it has no valid image.
    pub found: [Result<u32, LoadError>; 2],
}

/// Loads and checks the images of both slots, and chooses one.
///
/// # Errors
/// Both reasons, if neither slot holds a valid image.
pub fn load<'a>(slots: [&'a [u8]; 2]) -> Result<Loaded<'a>, [LoadError; 2]> {
    let [first, second] = slots;
    let (a, b) = (Model::load(first), Model::load(second));
    let sequence = |model: &Result<Model<'a>, LoadError>| model.as_ref().map(|model| model.sequence()).map_err(|&error| error);
    let found = [sequence(&a), sequence(&b)];
    let slot = choose(found[0], found[1])?;
    // Moved once: a model is large.
    let model = if slot == Slot::A { a } else { b };
    model.map(|model| Loaded { slot, model, found }).map_err(|error| [error; 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap() {
        assert!(is_newer(1, 0) && !is_newer(0, 1) && !is_newer(7, 7));
        assert!(is_newer(0, u32::MAX) && !is_newer(u32::MAX, 0));
        assert!(is_newer(5, 0xffff_fff0));
    }

    #[test]
    fn half_way_round_neither_is_newer() {
        assert!(!is_newer(1 << 31, 0) && !is_newer(0, 1 << 31));
        assert_eq!(choose::<()>(Ok(1 << 31), Ok(0)), Ok(Slot::A));
        assert_eq!(choose::<()>(Ok(0), Ok(1 << 31)), Ok(Slot::A));
    }

    #[test]
    fn the_newer_valid_slot_wins() {
        assert_eq!(choose::<()>(Ok(3), Ok(4)), Ok(Slot::B));
        assert_eq!(choose::<()>(Ok(4), Ok(3)), Ok(Slot::A));
        assert_eq!(choose::<()>(Ok(u32::MAX), Ok(0)), Ok(Slot::B));
        assert_eq!(choose::<()>(Ok(3), Ok(3)), Ok(Slot::A));
    }

    #[test]
    fn an_invalid_slot_loses_whatever_its_age() {
        assert_eq!(choose(Err("torn"), Ok(1)), Ok(Slot::B));
        assert_eq!(choose(Ok(1), Err("torn")), Ok(Slot::A));
        assert_eq!(choose(Err::<u32, _>("torn"), Err("empty")), Err(["torn", "empty"]));
    }
}
