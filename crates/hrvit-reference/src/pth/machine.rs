//! The operations of pickle protocols 2 to 5.
//!
//! A stack of values, a memo of values by number, and marks that say where on the stack an open
//! group begins. Nothing recurses and nothing is called.

use std::io::Read;

use super::REMEDY;
use super::budget::Budget;
use super::input::Input;
use super::value::{GROWN, Heap, Known, Value};

/// How deep groups may nest.
const MAX_DEPTH: usize = 10_000;
/// The newest protocol.
const MAX_PROTOCOL: u8 = 5;
/// Wrappers of one tensor: `_rebuild_from_type_v2` around `_rebuild_tensor_v2`, and one more.
const MAX_WRAPPERS: usize = 4;
/// The longest string that is kept.
const MAX_TEXT: u64 = 4096;
/// How far a new number in the memo may lie past the last: writers count up, from 0 or 1.
const MAX_MEMO_GAP: usize = 255;

/// Reads one pickle and returns the value that it leaves.
pub(super) fn run<R: Read>(input: &mut Input<R>, budget: &mut Budget) -> Result<(Heap, Value), String> {
    let mut machine =
        Machine { input, budget, heap: Heap::default(), stack: Vec::new(), highest: 0, marks: Vec::new(), deepest: 0, memo: Vec::new(), stored: 0 };
    while !machine.step()? {}
    let root = machine.pop()?;
    Ok((machine.heap, root))
}

struct Machine<'a, R> {
    input: &'a mut Input<R>,
    budget: &'a mut Budget,
    heap: Heap,
    stack: Vec<Value>,
    /// The most values the stack has held: these are paid for.
    highest: usize,
    /// Heights of the stack at which open groups begin.
    marks: Vec<usize>,
    deepest: usize,
    memo: Vec<Option<Value>>,
    /// How many values the memo has.
    stored: u32,
}

impl<R: Read> Machine<'_, R> {
    /// One operation; whether it was the last.
    fn step(&mut self) -> Result<bool, String> {
        let value = match self.input.byte()? {
            b'.' => return Ok(true),
            // The beginning of a pickle, and frames of its parts.
            0x80 => return self.protocol(),
            0x95 => {
                let len = self.input.long()?;
                return self.input.holds(len).map(|()| false);
            }
            // The stack and the memo.
            b'(' => return self.mark(),
            b'0' => return self.discard(),
            b'1' => {
                let start = self.group()?;
                self.stack.truncate(start);
                return Ok(false);
            }
            b'2' => self.top()?,
            b'q' => return self.input.byte().map(u32::from).and_then(|index| self.put(index)),
            b'r' => return self.input.array().map(u32::from_le_bytes).and_then(|index| self.put(index)),
            0x94 => return self.put(self.stored),
            b'h' => self.input.byte().map(u32::from).and_then(|index| self.get(index))?,
            b'j' => self.input.array().map(u32::from_le_bytes).and_then(|index| self.get(index))?,
            // Values without parts.
            b'N' => Value::Other,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(i64::from(self.input.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.input.array()?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.input.array()?))),
            0x8a => self.input.byte().and_then(|len| self.integer(len.into()))?,
            0x8b => self.input.int().and_then(|len| self.integer(len))?,
            b'G' => self.passed(8)?,
            // Strings and bytes.
            0x8c | b'U' => self.input.byte().and_then(|len| self.text(len.into()))?,
            b'X' | b'T' => self.input.int().and_then(|len| self.text(len))?,
            0x8d => self.input.long().and_then(|len| self.text(len))?,
            b'C' => self.input.byte().and_then(|len| self.passed(len.into()))?,
            b'B' => self.input.int().and_then(|len| self.passed(len))?,
            0x8e | 0x96 => self.input.long().and_then(|len| self.passed(len))?,
            // Containers.
            b')' => self.heap.new_tuple(&[], self.budget)?,
            count @ 0x85..=0x87 => self.short_tuple(usize::from(count - 0x84))?,
            b't' => self.tuple()?,
            b']' => self.heap.new_list(self.budget)?,
            b'l' => self.list()?,
            b'}' => self.heap.new_dict(self.budget)?,
            b'd' => self.dict()?,
            b'a' => return self.append(self.stack.len().saturating_sub(1)),
            b'e' => return self.group().and_then(|start| self.append(start)),
            b's' => return self.set(self.stack.len().saturating_sub(2)),
            b'u' => return self.group().and_then(|start| self.set(start)),
            0x8f => Value::Other,
            0x90 => {
                let start = self.group()?;
                self.stack.truncate(start);
                return self.top().map(|_| false);
            }
            0x91 => {
                let start = self.group()?;
                self.stack.truncate(start);
                Value::Other
            }
            // Classes and objects.
            b'c' => self.global()?,
            0x93 => self.stacked_global()?,
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            b'b' => {
                self.pop()?;
                return self.top().map(|_| false);
            }
            0x81 => self.object(2)?,
            0x92 => self.object(3)?,
            b'o' => {
                let start = self.group()?;
                let class = self.stack.get(start).copied();
                self.stack.truncate(start);
                instance(class)
            }
            b'i' => {
                let class = self.global()?;
                let start = self.group()?;
                self.stack.truncate(start);
                instance(Some(class))
            }
            other => return Err(self.unknown(other)),
        };
        self.push(value).map(|()| false)
    }

    fn protocol(&mut self) -> Result<bool, String> {
        let version = self.input.byte()?;
        if version <= MAX_PROTOCOL {
            return Ok(false);
        }
        Err(format!("pickle protocol {version} is not read; expected one up to {MAX_PROTOCOL}: {REMEDY}"))
    }

    fn unknown(&self, operation: u8) -> String {
        let shown = if operation.is_ascii_graphic() { format!(" ('{}')", char::from(operation)) } else { String::new() };
        format!("pickle operation {operation:#04x}{shown} at byte {} is not read: {REMEDY}, at most with pickle_protocol={MAX_PROTOCOL}", self.input.at() - 1)
    }

    fn short(&self) -> String {
        format!("the pickle takes a value where there is none, at byte {}: the file is damaged, {REMEDY}", self.input.at())
    }

    /// Start of the innermost open group.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.stack.len() == self.highest {
            self.budget.take(GROWN)?;
            self.highest += 1;
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        if self.stack.len() <= self.floor() {
            return Err(self.short());
        }
        self.stack.pop().ok_or_else(|| self.short())
    }

    fn top(&self) -> Result<Value, String> {
        let group = self.stack.get(self.floor()..).unwrap_or_default();
        group.last().copied().ok_or_else(|| self.short())
    }

    /// Takes a value off, or an open group without values as POP does.
    fn discard(&mut self) -> Result<bool, String> {
        if self.stack.len() == self.floor() && self.marks.pop().is_some() {
            return Ok(false);
        }
        self.pop().map(|_| false)
    }

    fn mark(&mut self) -> Result<bool, String> {
        if self.marks.len() == MAX_DEPTH {
            return Err(format!("the pickle nests more than {MAX_DEPTH} groups, at byte {}: not a checkpoint of torch.save", self.input.at()));
        }
        if self.marks.len() == self.deepest {
            self.budget.take(2 * size_of::<usize>() as u64)?;
            self.deepest += 1;
        }
        self.marks.push(self.stack.len());
        Ok(false)
    }

    /// Closes the innermost group; its values are those on the stack from the result on.
    fn group(&mut self) -> Result<usize, String> {
        self.marks.pop().ok_or_else(|| self.short())
    }

    fn put(&mut self, number: u32) -> Result<bool, String> {
        let value = self.top()?;
        let index = number as usize;
        let missing = (index + 1).saturating_sub(self.memo.len());
        if missing > MAX_MEMO_GAP + 1 {
            return Err(format!("the pickle stores value {number} after {} others, at byte {}: not a checkpoint of torch.save", self.stored, self.input.at()));
        }
        if missing > 0 {
            self.budget.take(missing as u64 * GROWN)?;
            self.memo.resize(index + 1, None);
        }
        if let Some(place) = self.memo.get_mut(index) {
            self.stored += u32::from(place.is_none());
            *place = Some(value);
        }
        Ok(false)
    }

    fn get(&self, number: u32) -> Result<Value, String> {
        let stored = self.memo.get(number as usize).copied().flatten();
        stored.ok_or_else(|| format!("the pickle names value {number}, which it has not stored: the file is damaged, {REMEDY}"))
    }

    /// A little-endian integer of `len` bytes.
    fn integer(&mut self, len: u64) -> Result<Value, String> {
        if len > 8 {
            return self.passed(len);
        }
        let mut value = 0i64;
        for shift in 0..len {
            value |= i64::from(self.input.byte()?) << (8 * shift);
        }
        let unused = 64 - 8 * u32::try_from(len).unwrap_or(8);
        Ok(Value::Int(if unused == 64 { 0 } else { value << unused >> unused }))
    }

    /// A value of `len` bytes that are not looked at.
    fn passed(&mut self, len: u64) -> Result<Value, String> {
        self.input.skip(len)?;
        Ok(Value::Other)
    }

    /// A string; one longer than any name is passed over.
    fn text(&mut self, len: u64) -> Result<Value, String> {
        if len > MAX_TEXT {
            return self.passed(len);
        }
        self.input.holds(len)?;
        self.heap.new_text(len, self.budget, |text| self.input.append(len, text))
    }

    fn short_tuple(&mut self, count: usize) -> Result<Value, String> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor()).ok_or_else(|| self.short())?;
        self.tuple_from(start)
    }

    fn tuple(&mut self) -> Result<Value, String> {
        let start = self.group()?;
        self.tuple_from(start)
    }

    fn tuple_from(&mut self, start: usize) -> Result<Value, String> {
        let tuple = self.heap.new_tuple(&self.stack[start..], self.budget)?;
        self.stack.truncate(start);
        Ok(tuple)
    }

    fn list(&mut self) -> Result<Value, String> {
        let start = self.group()?;
        let list = self.heap.new_list(self.budget)?;
        if let Value::List(id) = list {
            self.heap.append(id, &self.stack[start..], self.budget)?;
        }
        self.stack.truncate(start);
        Ok(list)
    }

    fn dict(&mut self) -> Result<Value, String> {
        let start = self.group()?;
        let dict = self.heap.new_dict(self.budget)?;
        if let Value::Dict(id) = dict {
            self.heap.set(id, &self.stack[start..], self.budget)?;
        }
        self.stack.truncate(start);
        Ok(dict)
    }

    /// Appends the values from `start` on to the list below them. Anything else that has items
    /// forgets them.
    fn append(&mut self, start: usize) -> Result<bool, String> {
        if let Value::List(id) = self.below(start)? {
            self.heap.append(id, &self.stack[start..], self.budget)?;
        }
        self.stack.truncate(start);
        Ok(false)
    }

    /// Sets the keys and values from `start` on in the dictionary below them. Anything else that
    /// has items forgets them.
    fn set(&mut self, start: usize) -> Result<bool, String> {
        if let Value::Dict(id) = self.below(start)? {
            self.heap.set(id, &self.stack[start..], self.budget)?;
        }
        self.stack.truncate(start);
        Ok(false)
    }

    /// The value of the innermost group below `start`.
    fn below(&self, start: usize) -> Result<Value, String> {
        let below = start.checked_sub(1).filter(|&below| below >= self.floor()).ok_or_else(|| self.short())?;
        self.stack.get(below).copied().ok_or_else(|| self.short())
    }

    fn global(&mut self) -> Result<Value, String> {
        let (module, name) = (self.input.line()?, self.input.line()?);
        self.class(&String::from_utf8_lossy(&module), &String::from_utf8_lossy(&name))
    }

    fn stacked_global(&mut self) -> Result<Value, String> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Text(module), Value::Text(name)) = (module, name) else { return Ok(Value::Other) };
        let (module, name) = (self.heap.text(module).to_owned(), self.heap.text(name).to_owned());
        self.class(&module, &name)
    }

    fn class(&mut self, module: &str, name: &str) -> Result<Value, String> {
        if let Some(known) = Known::of(module, name) {
            return Ok(Value::Known(known));
        }
        let full = format!("{module}.{name}");
        let text = self.heap.new_text(full.len() as u64, self.budget, |text| {
            text.extend_from_slice(full.as_bytes());
            Ok(())
        })?;
        Ok(if let Value::Text(name) = text { Value::Foreign(name) } else { Value::Other })
    }

    fn persistent(&mut self) -> Result<Value, String> {
        match self.pop()? {
            Value::Tuple(id) => self.heap.new_storage(id, self.budget),
            _ => Ok(Value::Other),
        }
    }

    /// Result of a call: a tensor, a dictionary, or an object that holds nothing.
    fn reduce(&mut self) -> Result<Value, String> {
        let (mut arguments, mut function) = (self.pop()?, self.pop()?);
        for _ in 0..MAX_WRAPPERS {
            let (Value::Known(known), Value::Tuple(span)) = (function, arguments) else { return Ok(instance(Some(function))) };
            match (known, self.heap.parts(span)) {
                (Known::Tensor, _) => return Ok(Value::Tensor(span)),
                (Known::OtherTensor, _) => return Ok(Value::OtherTensor),
                (Known::Parameter, &[tensor @ (Value::Tensor(_) | Value::OtherTensor), ..]) => return Ok(tensor),
                (Known::OrderedDict, []) | (Known::DefaultDict, _) => return self.heap.new_dict(self.budget),
                (Known::FromType, &[inner, _, of_inner, ..]) => (function, arguments) = (inner, of_inner),
                _ => return Ok(Value::Other),
            }
        }
        Ok(Value::Other)
    }

    /// An object of the lowest of the `count` upper values.
    fn object(&mut self, count: usize) -> Result<Value, String> {
        for _ in 1..count {
            self.pop()?;
        }
        let class = self.pop()?;
        Ok(instance(Some(class)))
    }
}

/// An object of a class that is not known is the class's name.
fn instance(class: Option<Value>) -> Value {
    match class {
        Some(foreign @ Value::Foreign(_)) => foreign,
        _ => Value::Other,
    }
}
