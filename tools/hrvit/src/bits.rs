//! Real numbers as their bits, for files from which exactly the same numbers have to come back.

/// A vector of `f64`.
pub mod f64s {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// As a list of integers.
    ///
    /// # Errors
    /// Any error of the serialiser.
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>().serialize(serializer)
    }

    /// From such a list.
    ///
    /// # Errors
    /// If it is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<u64>::deserialize(deserializer)?.into_iter().map(f64::from_bits).collect())
    }
}

/// A vector of pairs of `f32`.
pub mod f32_pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// As a list of pairs of integers.
    ///
    /// # Errors
    /// Any error of the serialiser.
    pub fn serialize<S: Serializer>(values: &[[f32; 2]], serializer: S) -> Result<S::Ok, S::Error> {
        values.iter().map(|pair| pair.map(f32::to_bits)).collect::<Vec<[u32; 2]>>().serialize(serializer)
    }

    /// From such a list.
    ///
    /// # Errors
    /// If it is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<[f32; 2]>, D::Error> {
        Ok(Vec::<[u32; 2]>::deserialize(deserializer)?.into_iter().map(|pair| pair.map(f32::from_bits)).collect())
    }
}
