//! After any attack, what is put back is the state before it, but for what others changed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use splashtail_antinuke::undo;
use splashtail_guild::{Id, Kind, put_back};

use crate::world::*;

const FIELDS: [&str; 2] = ["name", "topic"];
const HOLDER: Id = Id::new(2700);
/// Channels that both sides change. Those behind them are the attacker's last prey.
const SHARED: u64 = 6;

#[derive(Debug, Clone, Copy)]
enum Step {
    Set { field: usize, value: u8 },
    Overwrite { allow: u8 },
    DropOverwrite,
    Delete,
    Create,
    Guild { value: u8 },
    Role { value: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..FIELDS.len(), 0..4_u8).prop_map(|(field, value)| Step::Set { field, value }),
        3 => (0..3_u8).prop_map(|allow| Step::Overwrite { allow }),
        1 => Just(Step::DropOverwrite),
        1 => Just(Step::Delete),
        1 => Just(Step::Create),
        1 => (0..4_u8).prop_map(|value| Step::Guild { value }),
        1 => (0..4_u8).prop_map(|value| Step::Role { value }),
    ]
}

/// One value that can be changed: what it is, and what the attacker found and left.
#[derive(Debug, Clone, PartialEq)]
struct Cell {
    now: Value,
    found: Value,
    left: Option<Value>,
}

impl Cell {
    fn new(now: Value) -> Self {
        Self {
            found: now.clone(),
            now,
            left: None,
        }
    }

    fn write(&mut self, attacks: bool, value: Value) {
        if attacks {
            if self.left.as_ref() != Some(&self.now) {
                self.found = self.now.clone();
            }
            self.left = Some(value.clone());
        }
        self.now = value;
    }

    fn expected(&self) -> &Value {
        match self.left.as_ref() == Some(&self.now) {
            true => &self.found,
            false => &self.now,
        }
    }
}

/// A channel of the reference: its cells by name, the overwrite among them.
#[derive(Debug, Clone)]
struct Model {
    cells: BTreeMap<&'static str, Cell>,
    /// Who deleted it, when it is gone.
    gone_by_attacker: Option<bool>,
}

struct Scene {
    world: World,
    channels: BTreeMap<u64, Model>,
    guild: Cell,
    role: Cell,
    made: Vec<(Id, bool)>,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        world.add_role(HOLDER, 1, 0);
        let mut channels = BTreeMap::new();
        for n in 0..SHARED {
            let cells = [
                ("name", Cell::new(json!(format!("channel {n}")))),
                ("topic", Cell::new(json!("about boats"))),
                ("overwrite", Cell::new(Value::Null)),
            ];
            let cells = cells.into();
            channels.insert(
                n,
                Model {
                    cells,
                    gone_by_attacker: None,
                },
            );
        }
        let guild = Cell::new(json!("Harbour"));
        let role = Cell::new(json!(format!("role {HOLDER}")));
        let mut scene = Self {
            world,
            channels,
            guild,
            role,
            made: Vec::new(),
        };
        for n in 0..SHARED {
            scene.show(n);
        }
        scene
    }

    /// Tells of a channel as it is in the reference.
    fn show(&mut self, n: u64) {
        let cell = |name| self.channels[&n].cells[name].now.clone();
        let overwrite = cell("overwrite");
        let overwrites = if overwrite.is_null() {
            json!([])
        } else {
            json!([overwrite])
        };
        let object = json!({"id": channel(n), "guild_id": GUILD, "type": 0, "flags": 0,
            "name": cell("name"), "topic": cell("topic"), "parent_id": "2900",
            "permission_overwrites": overwrites});
        self.world.feed("CHANNEL_UPDATE", object);
    }

    fn entry(&mut self, attacks: bool, action: u16, target: Id, more: Value) {
        let by = if attacks { MOD } else { OWNER };
        self.world.act_with(by, action, target, more);
    }

    fn take(&mut self, attacks: bool, n: u64, step: Step) {
        self.world.now = self.world.now.plus(5);
        let change = |key: &str, old: &Value, new: &Value| json!({"changes": [{"key": key, "old_value": old, "new_value": new}]});
        let Some(model) = self.channels.get_mut(&n) else {
            return;
        };
        match step {
            Step::Guild { value } => {
                let new = json!(format!("Harbour {value}"));
                let old = self.guild.now.clone();
                if old == new {
                    return;
                }
                self.guild.write(attacks, new.clone());
                let mut guild = self.world.structure.guild().clone();
                guild["name"] = new.clone();
                self.world.feed("GUILD_UPDATE", guild);
                self.entry(attacks, 1, GUILD, change("name", &old, &new));
            }
            Step::Role { value } => {
                let new = json!(format!("role {value}"));
                let old = self.role.now.clone();
                if old == new {
                    return;
                }
                self.role.write(attacks, new.clone());
                let mut role = self
                    .world
                    .structure
                    .get(Kind::Role, HOLDER)
                    .unwrap()
                    .clone();
                role["name"] = new.clone();
                self.world.feed(
                    "GUILD_ROLE_UPDATE",
                    json!({"guild_id": GUILD, "role": role}),
                );
                self.entry(attacks, 31, HOLDER, change("name", &old, &new));
            }
            Step::Create => {
                let id = Id::new(3500 + self.made.len() as u64);
                self.made.push((id, attacks));
                let object = json!({"id": id, "guild_id": GUILD, "type": 0, "flags": 0,
                    "name": "new", "permission_overwrites": []});
                self.world.feed("CHANNEL_CREATE", object);
                self.entry(attacks, 10, id, change("name", &Value::Null, &json!("new")));
            }
            _ if model.gone_by_attacker.is_some() => {}
            Step::Set { field, value } => {
                // Two channels of one name would stand for each other.
                let (field, new) = (FIELDS[field], json!(format!("text {value} of {n}")));
                let cell = model.cells.get_mut(field).unwrap();
                let old = cell.now.clone();
                if old == new {
                    return;
                }
                cell.write(attacks, new.clone());
                self.show(n);
                self.entry(attacks, 11, channel(n), change(field, &old, &new));
            }
            // Who changes an overwrite beside the attacker's is asked: overwrites are one field.
            Step::Overwrite { .. } | Step::DropOverwrite if !attacks => {}
            Step::Overwrite { allow } => {
                let cell = model.cells.get_mut("overwrite").unwrap();
                let old = cell.now.clone();
                let allow = (1024_u64 << allow).to_string();
                if old["allow"] == allow {
                    return;
                }
                let new = json!({"id": HOLDER, "type": 0, "allow": allow, "deny": "0"});
                cell.write(true, new.clone());
                let action = if old.is_null() { 13 } else { 14 };
                let mut more = change("allow", &old["allow"], &new["allow"]);
                more["options"] = json!({"id": HOLDER, "type": "0"});
                self.show(n);
                self.entry(true, action, channel(n), more);
            }
            Step::DropOverwrite => {
                let cell = model.cells.get_mut("overwrite").unwrap();
                let old = cell.now.clone();
                if old.is_null() {
                    return;
                }
                cell.write(true, Value::Null);
                let mut more = change("allow", &old["allow"], &Value::Null);
                more["options"] = json!({"id": HOLDER, "type": "0"});
                self.show(n);
                self.entry(true, 15, channel(n), more);
            }
            Step::Delete => {
                model.gone_by_attacker = Some(attacks);
                self.world.feed(
                    "CHANNEL_DELETE",
                    json!({"id": channel(n), "guild_id": GUILD}),
                );
                self.entry(attacks, 12, channel(n), json!({}));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_put_back_is_the_state_before_but_for_what_others_changed(
        before in proptest::collection::vec((any::<bool>(), 0..SHARED, step()), 0..40),
        since in proptest::collection::vec((0..SHARED, step()), 0..10),
    ) {
        let mut scene = Scene::new();
        for (attacks, n, step) in before {
            scene.take(attacks, n, step);
        }
        // The attack is noticed, whatever it was so far.
        for n in 20..23 {
            scene.world.delete_channel(MOD, n);
        }
        for (n, step) in since {
            scene.take(false, n, step);
        }
        let world = &scene.world;
        let incidents: Vec<_> = world.engine.incidents().collect();
        prop_assert_eq!(incidents.len(), 1);
        let (was, left) = undo::forms(incidents[0], &world.structure);
        let wanted = put_back(&was, &left, &world.structure).wanted;

        for (n, model) in &scene.channels {
            let found = wanted.get(Kind::Channel, channel(*n));
            if model.gone_by_attacker == Some(false) {
                prop_assert!(found.is_none(), "{n} was deleted by somebody else");
                continue;
            }
            let Some(found) = found else {
                return Err(TestCaseError::fail(format!("{n} is wanted again")));
            };
            for (name, cell) in &model.cells {
                let value = match *name {
                    "overwrite" => found["permission_overwrites"].as_array().unwrap().first(),
                    name => found.get(name),
                };
                let value = value.cloned().unwrap_or_default();
                prop_assert_eq!(&value, cell.expected(), "{} of {}", name, n);
            }
        }
        for (id, by_attacker) in &scene.made {
            let there = wanted.get(Kind::Channel, *id).is_some();
            prop_assert_eq!(there, !by_attacker, "{}", id);
        }
        for n in 20..23 {
            prop_assert!(wanted.get(Kind::Channel, channel(n)).is_some());
        }
        prop_assert_eq!(&wanted.guild()["name"], scene.guild.expected());
        let role = wanted.get(Kind::Role, HOLDER).unwrap();
        prop_assert_eq!(&role["name"], scene.role.expected());
    }
}
