//! Whatever road a consumer took to a version, its view is the same (I8).
//!
//! Random histories of all that a producer and the people beside it can do are played against maps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kapok_blobstore::{GcSettings, Store};
use kapok_consumer::{ChangeSource, Consumer, ConsumerSettings, MergedSegments, View};
use kapok_core::manifest::Manifest;
use kapok_producer::{
    CycleReport, Error, ErrorKind, IncrementalCycle, MergeSchedule, Outcome, Producer, ProducerSettings,
};
use kapok_samples::movies_capnp::{movie, rating};
use kapok_tests::model::changes::{change_item, change_movie, change_rating, fill_rating, item, item_value};
use kapok_tests::model::{Film, IDS, Model, Net, Random, year};

/// Views that are kept, whatever becomes of their versions in the store.
const VIEWS_KEPT: usize = 10;

struct History {
    random: Random,
    url: String,
    producer: Producer,
    /// What each version holds, those that are gone included.
    models: BTreeMap<u64, Model>,
    manifests: Vec<Arc<Manifest>>,
    /// Versions that were not retired.
    retained: BTreeSet<u64>,
    /// Makes merged segments by their merge sources.
    follower: Consumer,
    /// Downloads everything, and goes anywhere.
    jumper: Consumer,
    views: Vec<Arc<View>>,
    seen: BTreeMap<&'static str, usize>,
}

impl History {
    async fn new(url: String, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut settings = ProducerSettings::default();
        (settings.merge_policy.segments_max, settings.merge_policy.small_bytes) = (2 + random.below(3) as usize, 0);
        settings.seal.target_bytes = [None, Some(2048)][random.below(2) as usize];
        settings.merge_schedule = if random.below(3) == 0 { MergeSchedule::Manual } else { MergeSchedule::AfterCycles };
        let producer = Producer::builder(Store::options().writable().open(&url).await.unwrap())
            .settings(settings)
            .open()
            .await
            .unwrap();
        let open = async |merges| {
            let mut settings = ConsumerSettings::default();
            (settings.merged_segments, settings.verify) = (merges, true);
            Consumer::builder(Store::open(&url).await.unwrap()).settings(settings).open().await.unwrap()
        };
        let (follower, jumper) = (open(MergedSegments::Make).await, open(MergedSegments::Fetch).await);
        let views = vec![follower.view_arc()];
        Self {
            random,
            producer,
            models: BTreeMap::from([(0, Model::default())]),
            manifests: Vec::new(),
            retained: BTreeSet::new(),
            follower,
            jumper,
            views,
            seen: BTreeMap::new(),
            url,
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn head(&self) -> u64 {
        *self.models.keys().last().unwrap()
    }

    /// The version that a cycle builds on, and whether that is not the head.
    async fn current(&self) -> (u64, bool) {
        match self.producer.store().announcements().latest(None).await.unwrap() {
            Some(latest) if latest.is_rolled_back() => (latest.announced, true),
            _ => (self.head(), false),
        }
    }

    fn any_retained(&mut self) -> u64 {
        let all: Vec<u64> = self.retained.iter().copied().collect();
        *self.random.pick(&all)
    }

    async fn step(&mut self) {
        if self.head() == 0 {
            self.full_cycle(true).await;
        }
        let (op, store, version) = (self.random.below(40), self.producer.store().clone(), self.any_retained());
        match op {
            0..=4 => self.full_cycle(true).await,
            5 => self.full_cycle(false).await,
            6..=24 => self.incremental_cycle(None).await,
            25 | 26 => self.incremental_cycle(Some(version)).await,
            27..=29 => self.merge().await,
            30 | 31 => self.gc().await,
            32 => drop(store.announcements().pin(version, "test", "hold").await.unwrap()),
            33 | 34 => drop(store.announcements().unpin("test", "go on").await.unwrap()),
            35 | 36 => drop(store.announcements().rollback(version, "test", "bad").await.unwrap()),
            37 => self.republish().await,
            38 => self.on_a_retired_version().await,
            _ => {
                // Another process goes on where this one was.
                let settings = self.producer.settings_mut().clone();
                self.producer = Producer::builder(Store::options().writable().open(&self.url).await.unwrap())
                    .settings(settings)
                    .open()
                    .await
                    .unwrap();
            }
        }
        self.check().await;
    }

    /// What came of a cycle that was to lead from `base` to `model`; by itself it would have built on `current`.
    async fn published(&mut self, base: u64, current: u64, model: Model, report: CycleReport) {
        assert_eq!(report.merge_error, None);
        let net = model.since(&self.models[&base]);
        for ty in &report.types {
            assert_eq!((ty.added, ty.updated, ty.removed), net.counts(&ty.name), "{ty:?}");
        }
        match report.outcome {
            Outcome::Unchanged { version } => {
                assert_eq!((version, &model), (base, &self.models[&base]));
                assert_eq!(base, current, "consumers are not there");
                self.count("unchanged");
            }
            Outcome::Published { version } => {
                assert_eq!(version, self.head() + 1);
                assert!(base != current || model != self.models[&base] || base == 0, "nothing changed");
                self.add(version, model.clone()).await;
                assert_eq!(self.manifests.last().unwrap().parent, Some(base).filter(|base| *base > 0));
                self.count("published");
            }
        }
        if let Some(merged) = report.merged {
            // One version after the other, until nothing is left to merge.
            for version in self.head() + 1..=merged.version {
                self.add(version, model.clone()).await;
            }
            self.count("merged after a cycle");
        }
    }

    async fn add(&mut self, version: u64, model: Model) {
        self.models.insert(version, model);
        self.retained.insert(version);
        self.manifests.push(Arc::new(self.producer.store().manifests().read(version).await.unwrap()));
    }

    async fn full_cycle(&mut self, changing: bool) {
        let (current, rolled_back) = self.current().await;
        if rolled_back {
            self.count("full cycle after a rollback");
        }
        let mut model = self.models[&current].clone();
        let random = &mut self.random;
        let touched = [random.below(4) != 0, random.below(2) != 0];
        if changing && touched[0] {
            let films = model.movies.get_or_insert_default();
            for id in 0..IDS {
                match random.below(12) {
                    0 => drop(films.insert(id, Film::random(random))),
                    1 => drop(films.remove(&id)),
                    _ => {}
                }
            }
            if random.below(12) == 0 {
                films.clear();
            }
        }
        if changing && touched[1] {
            let votes = model.ratings.get_or_insert_default();
            for _ in 0..random.below(10) {
                votes.insert((random.below(IDS), u16::from(random.below(2) == 0)), random.below(5));
                votes.remove(&(random.below(IDS), 0));
            }
        }
        let report = self.producer.run_cycle(|cycle| {
            if let Some(films) = model.movies.as_ref().filter(|_| touched[0]) {
                let mut writer = cycle.records::<movie::Owned>()?;
                films.iter().rev().try_for_each(|(id, film)| writer.add(|to| film.fill(*id, to)))?;
            }
            if let Some(votes) = model.ratings.as_ref().filter(|_| touched[1]) {
                let mut writer = cycle.records::<rating::Owned>()?;
                votes.iter().try_for_each(|(key, votes)| writer.add(|to| fill_rating(*key, *votes, to)))?;
            }
            Ok(())
        });
        let report = report.await.unwrap();
        self.published(current, current, model, report).await;
    }

    /// On top of that version, or else of the one that consumers should be on.
    async fn incremental_cycle(&mut self, on: Option<u64>) {
        let (current, rolled_back) = self.current().await;
        let base = on.unwrap_or(current);
        let mut model = self.models[&base].clone();
        let mut random = self.random.clone();
        // Some have nothing to say.
        let changes = if random.below(6) == 0 { 0 } else { 1 + random.below(12) };
        let populate = |cycle: &IncrementalCycle| {
            for _ in 0..changes {
                if random.below(3) == 0 {
                    change_rating(&mut random, cycle, &mut model)?;
                } else {
                    change_movie(&mut random, cycle, &mut model)?;
                }
            }
            if model.items.is_some() {
                change_item(&mut random, cycle, &mut model)?;
            }
            Ok(())
        };
        let report = if rolled_back || on.is_some() {
            if rolled_back {
                let refused = self.producer.run_incremental_cycle(|_| Ok(())).await.unwrap_err();
                assert!(matches!(refused, Error::RolledBack { announced, .. } if announced == current), "{refused}");
            }
            self.seen.entry("on a version").and_modify(|n| *n += 1).or_insert(1);
            self.producer.run_incremental_cycle_on(base, populate).await.unwrap()
        } else {
            self.producer.run_incremental_cycle(populate).await.unwrap()
        };
        self.random = random;
        self.published(base, current, model, report).await;
    }

    /// Items get another key, which only a republish can give them.
    async fn republish(&mut self) {
        let (current, _) = self.current().await;
        let mut model = self.models[&current].clone();
        let items = model.items.get_or_insert_default();
        items.by_title = self.random.below(2) == 0;
        for _ in 0..10 {
            items.years.insert(self.random.below(IDS), year(&mut self.random));
        }
        let (declaration, records) = (item(items.by_title), items.years.clone());
        let full = self.random.below(2) == 0;
        let report = if full || self.current().await.1 {
            let report = self.producer.run_cycle(|cycle| {
                cycle.declare(&declaration)?;
                let mut writer = cycle.values("Item")?;
                records.iter().try_for_each(|(id, year)| writer.add(&item_value(*id, *year)))?;
                Ok(())
            });
            report.await.unwrap()
        } else {
            let report = self.producer.run_incremental_cycle(|cycle| {
                cycle.declare(&declaration)?;
                let mut writer = cycle.values("Item")?;
                records.iter().try_for_each(|(id, year)| writer.upsert(&item_value(*id, *year)))?;
                Ok(())
            });
            report.await.unwrap()
        };
        self.count("republished");
        self.published(current, current, model, report).await;
    }

    async fn merge(&mut self) {
        let (current, rolled_back) = self.current().await;
        let merged = self.producer.merge().await.unwrap();
        if let Some(merged) = merged {
            assert!(!rolled_back, "consumers are kept on an older version");
            let model = self.models[&current].clone();
            self.add(merged.version, model).await;
            self.count("merged");
        }
    }

    async fn gc(&mut self) {
        let keep = 1 + self.random.below(8) as usize;
        let settings = GcSettings::default().with_keep(keep).with_grace(std::time::Duration::ZERO).with_no_writers();
        let report = self.producer.store().gc(&settings).await.unwrap();
        self.retained = report.kept.into_iter().collect();
        if !report.retired.is_empty() {
            self.count("retired");
        }
        for retired in &report.retired {
            let held_alone = self.random.below(2) == 0;
            self.manifests.retain(|manifest| manifest.version != *retired || held_alone);
        }
    }

    async fn on_a_retired_version(&mut self) {
        let gone: Vec<u64> = self.models.keys().copied().filter(|version| !self.retained.contains(version)).collect();
        let version = *self.random.pick(&gone);
        let refused = self.producer.run_incremental_cycle_on(version, |cycle| {
            cycle.records::<movie::Owned>()?.upsert(|mut film| film.set_id(1))?;
            Ok(())
        });
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::NotFound, "version {version}");
    }

    /// All roads lead to the same view.
    async fn check(&mut self) {
        let Some(latest) = self.producer.store().announcements().latest(None).await.unwrap() else { return };
        let refreshed = self.follower.refresh().await.unwrap();
        assert_eq!((refreshed.to, refreshed.not_made), (latest.current(), 0));
        if refreshed.made_bytes > 0 {
            self.count("merged locally");
        }
        let anywhere = self.any_retained();
        assert_eq!(self.jumper.refresh_to(anywhere).await.unwrap().to, anywhere);
        let straight = Consumer::open(&self.url).await.unwrap();
        for consumer in [&self.follower, &self.jumper, &straight] {
            let view = consumer.view_arc();
            assert_eq!(&Model::read(&view), &self.models[&view.version()], "version {}", view.version());
        }
        let far = self.any_retained();
        self.follower.refresh_to(far).await.unwrap();
        for view in [straight.view_arc(), self.jumper.view_arc(), self.follower.view_arc()] {
            let place = self.random.below(u32::try_from(VIEWS_KEPT).unwrap()) as usize;
            match self.views.get_mut(place) {
                Some(kept) => *kept = view,
                None => self.views.push(view),
            }
        }
        let (old, new) = (self.random.pick(&self.views).clone(), self.random.pick(&self.views).clone());
        self.check_changes(&old, &new).await;
        self.check_changes(&new, &old).await;
    }

    async fn check_changes(&mut self, old: &Arc<View>, new: &Arc<View>) {
        let expected = self.models[&new.version()].since(&self.models[&old.version()]);
        let bare = new.changes_since(old, &[]).unwrap();
        let by_trail = new.changes_since(old, &self.manifests).unwrap();
        let by_store = self.follower.changes_between(old, new).await.unwrap();
        for changes in [&bare, &by_trail, &by_store] {
            let mut net = Net::default();
            for ty in &changes.types {
                net.extend(old, new, ty);
            }
            assert_eq!(net, expected, "from {} to {}", old.version(), new.version());
        }
        if old.version().abs_diff(new.version()) > 1 {
            for ty in &by_trail.types {
                self.count(if ty.source == ChangeSource::Manifests { "by the trail" } else { "compared" });
            }
        }
    }
}

/// Plays the history of a seed in the store of this URL, where nothing is yet. Returns what happened how often.
pub async fn play(url: String, seed: u64, steps: u32) -> BTreeMap<&'static str, usize> {
    let mut history = History::new(url, seed).await;
    for _ in 0..steps {
        history.step().await;
    }
    history.seen
}

#[tokio::test]
async fn every_road_to_a_version_leads_to_the_same_view() {
    let number = |name, default| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (first, seeds) = (number("KAPOK_HISTORY_SEED", 1), number("KAPOK_HISTORIES", 24));
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in first..first + seeds {
        eprintln!("KAPOK_HISTORY_SEED={seed}");
        for (what, count) in play(format!("memory://histories-{seed}"), seed, 80).await {
            *seen.entry(what).or_default() += count;
        }
    }
    eprintln!("{seen:?}");
    // Histories in which little happens show little.
    for what in [
        "by the trail",
        "compared",
        "full cycle after a rollback",
        "merged locally",
        "merged",
        "merged after a cycle",
        "on a version",
        "published",
        "republished",
        "retired",
        "unchanged",
    ] {
        assert!(seen.contains_key(what), "{what}: {seen:?}");
    }
}
