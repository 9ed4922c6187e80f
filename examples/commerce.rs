//! A shop: products, customers, and orders with lists of items, while prices change under readers.
//!
//! Orders are found by the products in them, by a hash index through the list. Then a producer publishes changes of prices
//! and new orders as incremental cycles, while readers ask questions about all three types: each answer is of one version.
//!
//! `cargo run -p kapok-examples --example commerce`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kapok::publish::Cycle;
use kapok::query::{Aggregate, Order as OrderBy, Parameters, Query, Value, field, parameter};
use kapok::serde::{Deserialize, Serialize};
use kapok::{Consumer, Declaration, FollowSettings, Producer, View};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const PRODUCTS: u32 = 400;
const CUSTOMERS: u32 = 1_000;
const ORDERS: u32 = 10_000;
const CYCLES: u32 = 12;
const NEW_ORDERS: u32 = 50;
const READERS: u32 = 2;
const COUNTRIES: [&str; 5] = ["AT", "CH", "DE", "FR", "IT"];
const CATEGORIES: [&str; 4] = ["books", "games", "garden", "music"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Product {
    id: u32,
    name: String,
    category: String,
    price_cents: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Customer {
    id: u32,
    email: String,
    country: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Order {
    id: u32,
    customer_id: u32,
    /// Of the shop.
    day: u32,
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Item {
    product_id: u32,
    quantity: u32,
    /// What one cost on that day.
    price_cents: u64,
}

/// What the shop holds, as the producer knows it.
struct Shop {
    random: Random,
    products: Vec<Product>,
    customers: Vec<Customer>,
    orders: Vec<Order>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;
    let mut shop = Shop::new();
    let producer = Producer::open(url).await?;
    producer.run_cycle(|cycle| shop.publish(cycle)).await?;

    let consumer = Consumer::open(url).await?;
    let view = consumer.view_arc();
    let counts: Vec<_> = view.tables().iter().map(|table| format!("{} {}", table.len(), table.name())).collect();
    println!("published: {}", counts.join(", "));
    orders_of_a_product(&view, &shop)?;
    sales(&view, &shop)?;
    sales_by_country(&view, &shop)?;
    change_prices(&producer, &consumer, &mut shop).await
}

/// The index goes through the list: a product is in, the orders that have it among their items are out.
fn orders_of_a_product(view: &View, shop: &Shop) -> Result<()> {
    let product = &shop.products[17];
    let by_product = view.hash_lookup("Order", "hash(items[].product_id)")?;
    let expected: Vec<u32> =
        shop.orders.iter().filter(|order| order.has(product.id, 1)).map(|order| order.id).collect();
    assert_eq!(by_product.count(&[product.id.into()])?, expected.len() as u64);
    let id = view.field::<u32>("Order.id")?;
    let found = by_product.find(&[product.id.into()])?.into_iter().map(|row_id| id.get(row_id));
    assert_eq!(found.collect::<std::result::Result<Vec<_>, _>>()?, expected);
    println!("\n{} orders have {}", expected.len(), product.name);

    // In words: both conditions speak of one element.
    let expr = field("items").any(field("product_id").eq(product.id).and(field("quantity").ge(parameter("least"))));
    let query = Query::bind(view, "Order", &expr)?;
    for least in 1..=4 {
        let rows = query.rows_with(&Parameters::new().set("least", least))?;
        let expected = shop.orders.iter().filter(|order| order.has(product.id, least)).count();
        assert_eq!(rows.count()?, expected as u64);
        let plan = rows.explain()?;
        assert_eq!(plan.segments[0].source, "hash(items[].product_id)", "{plan}");
        println!("  at least {least} of it: {expected} orders, of {} looked at", plan.segments[0].candidates);
    }

    // A customer by another key than the primary one.
    let by_email = view.alternate_lookup("Customer", "key(email)")?;
    let row_id = by_email.find(&["customer-42@example.org".into()])?.ok_or("no such customer")?;
    let customer: Customer = view.table("Customer")?.record(row_id)?.deserialize()?;
    assert_eq!(customer, shop.customers[42]);
    let latest = view.query("Order", &format!("customer_id = {}", customer.id))?;
    let latest = latest.order_by(&[OrderBy::descending("day"), OrderBy::descending("id")])?.limit(1);
    let orders = shop.orders.iter().filter(|order| order.customer_id == 42);
    let expected = orders.max_by_key(|order| (order.day, order.id)).ok_or("no order")?;
    assert_eq!(latest.values::<u32>("id")?.next().transpose()?, Some(expected.id));
    println!("latest order of {}: {} of day {}", customer.email, expected.id, expected.day);
    Ok(())
}

/// Sums by product, through the list of items.
fn sales(view: &View, shop: &Shop) -> Result<()> {
    let asked = [Aggregate::sum("items[].quantity")?, Aggregate::count(), Aggregate::max("items[].price_cents")?];
    let groups = view.query("Order", "day >= 300")?.group_by(&["items[].product_id"], &asked)?;
    let mut expected: BTreeMap<u32, u64> = BTreeMap::new();
    for item in shop.orders.iter().filter(|order| order.day >= 300).flat_map(|order| &order.items) {
        *expected.entry(item.product_id).or_default() += u64::from(item.quantity);
    }
    let sold = groups.iter().map(|group| (group.key[0].clone(), group.values[0].clone()));
    let expected_sold = expected.iter().map(|(product, sold)| (Value::from(*product), Value::from(*sold)));
    assert!(sold.eq(expected_sold), "quantities differ");
    let best = groups.iter().max_by_key(|group| number(&group.values[0])).ok_or("nothing was sold")?;
    let [sold, orders, price] = &best.values[..] else { return Err("three values".into()) };
    println!(
        "\nbest seller since day 300: product {}, {sold} in {orders} orders, for at most {price} cents",
        best.key[0]
    );

    // Of products themselves.
    for group in
        view.query("Product", "true")?.group_by(&["category"], &["count()".parse()?, "avg(price_cents)".parse()?])?
    {
        println!("  {}: {} products, {} cents each", group.key[0], group.values[0], group.values[1]);
    }
    Ok(())
}

/// A path goes on through the id of the customer, to the customer's country; and back, by the name of the type that refers.
fn sales_by_country(view: &View, shop: &Shop) -> Result<()> {
    println!();
    let country = |order: &Order| shop.customers[order.customer_id as usize].country.as_str();
    let rows = view.query("Order", "customer_id.country in ['NZ', 'CH']")?;
    let expected = shop.orders.iter().filter(|order| ["NZ", "CH"].contains(&country(order))).count();
    assert_eq!(rows.count()?, expected as u64);
    for group in view.query("Order", "true")?.group_by(&["customer_id.country"], &[Aggregate::count()])? {
        let expected = shop.orders.iter().filter(|order| group.key[0] == country(order).into()).count();
        assert_eq!(group.values[0], (expected as u64).into());
        println!("{}: {} orders", group.key[0], group.values[0]);
    }
    let idle = view.query("Customer", "len(Order.customer_id) = 0")?.count()?;
    let buyers: BTreeSet<u32> = shop.orders.iter().map(|order| order.customer_id).collect();
    assert_eq!(idle, shop.customers.len() as u64 - buyers.len() as u64);
    println!("{idle} of {} customers have no order", shop.customers.len());
    Ok(())
}

/// Prices change and orders come in, one cycle after the other, under readers.
async fn change_prices(producer: &Producer, consumer: &Consumer, shop: &mut Shop) -> Result<()> {
    let follower = consumer.follow(FollowSettings::default());
    let stop = Arc::new(AtomicBool::new(false));
    let start = |seed| {
        let (stop, consumer) = (Arc::clone(&stop), consumer.clone());
        thread::spawn(move || read_until(&stop, &consumer, seed))
    };
    let readers: Vec<_> = (0..READERS).map(start).collect();
    let mut version = consumer.view().version();
    for _ in 0..CYCLES {
        let products = shop.raise_prices();
        let orders = shop.sell(NEW_ORDERS);
        let report = producer
            .run_incremental_cycle(|cycle| {
                let mut writer = cycle.values("Product")?;
                products.iter().try_for_each(|product| writer.upsert_serde(product))?;
                let mut writer = cycle.values("Order")?;
                orders.iter().try_for_each(|order| writer.upsert_serde(order))?;
                Ok(())
            })
            .await?;
        version = report.outcome.version();
        consumer.wait_for(version).await;
    }
    stop.store(true, Ordering::Release);
    let (mut versions, mut reads) = (BTreeSet::new(), 0);
    for reader in readers {
        let (seen, count) = reader.join().map_err(|_| "a reader saw what it must not see")??;
        versions.extend(seen);
        reads += count;
    }
    drop(follower);
    // A merge after a cycle is a version of its own, of the same records.
    assert!(consumer.view().version() >= version && versions.len() > 1);
    println!("\n{CYCLES} cycles of prices and orders; {reads} reads of {} versions, none mixed", versions.len());
    println!("{} orders, {} cents for one of each product", shop.orders.len(), shop.price_list());
    assert_eq!(consumer.view().table("Order")?.len(), shop.orders.len() as u64);
    assert_eq!(price_list(&consumer.view())?, i128::from(shop.price_list()));
    Ok(())
}

/// Reads until told to stop, and once more then. Returns the versions that it saw, and how often it read.
fn read_until(stop: &AtomicBool, consumer: &Consumer, seed: u32) -> Result<(BTreeSet<u64>, u32)> {
    let (mut versions, mut reads, mut random) = (BTreeSet::new(), 0, Random(seed.into()));
    loop {
        let is_last = stop.load(Ordering::Acquire);
        versions.insert(read(&consumer.view_arc(), &mut random)?);
        reads += 1;
        if is_last {
            return Ok((versions, reads));
        }
    }
}

/// Asks about all three types, and asserts that the answers are of one version.
fn read(view: &View, random: &mut Random) -> Result<u64> {
    // The last order was made at the prices of its own cycle, which are those of all products now.
    let last = view.query("Order", "true")?.order_by(&[OrderBy::descending("id")])?.limit(1);
    let row_id = last.first()?.ok_or("no order")?;
    let order: Order = view.table("Order")?.record(row_id)?.deserialize()?;
    for item in &order.items {
        let product = view.deserialize_by_key::<Product>("Product", &item.product_id)?.ok_or("no such product")?;
        assert_eq!(item.price_cents, product.price_cents, "version {}, product {}", view.version(), product.id);
    }
    // Each cycle raises some prices by a cent each, and makes so many orders.
    let orders = view.table("Order")?.len();
    assert_eq!(orders, u64::from(order.id) + 1);
    let cycles = (orders - u64::from(ORDERS)) / u64::from(NEW_ORDERS);
    let first_prices: u64 = (0..PRODUCTS).map(first_price).sum();
    assert_eq!(price_list(view)?, i128::from(first_prices + cycles * u64::from(PRODUCTS / 4)));
    // An order is found by any product in it, and by no other.
    let item = &order.items[random.below(order.items.len())];
    let by_product = view.hash_lookup("Order", "hash(items[].product_id)")?;
    assert!(by_product.contains(&[item.product_id.into()], row_id)?);
    assert!(!by_product.contains(&[PRODUCTS.into()], row_id)?);
    Ok(view.version())
}

/// The price of one of each product.
fn price_list(view: &View) -> Result<i128> {
    Ok(number(&view.query("Product", "true")?.aggregate(&[Aggregate::sum("price_cents")?])?[0]))
}

fn number(value: &Value) -> i128 {
    if let Value::Int(number) = value { *number } else { 0 }
}

impl Order {
    fn has(&self, product_id: u32, least: u32) -> bool {
        self.items.iter().any(|item| item.product_id == product_id && item.quantity >= least)
    }
}

impl Shop {
    fn new() -> Self {
        let mut random = Random(7);
        let product = |id: u32| {
            let category = CATEGORIES[id as usize % CATEGORIES.len()].to_owned();
            Product { id, name: format!("article {id}"), category, price_cents: first_price(id) }
        };
        let mut customer = |id: u32| {
            let country = COUNTRIES[random.below(COUNTRIES.len())].to_owned();
            Customer { id, email: format!("customer-{id}@example.org"), country }
        };
        let (products, customers) = ((0..PRODUCTS).map(product).collect(), (0..CUSTOMERS).map(&mut customer).collect());
        let mut out = Self { random, products, customers, orders: Vec::new() };
        out.sell(ORDERS);
        out
    }

    /// The first version: three types in one cycle. Every later one changes what it names.
    fn publish(&self, cycle: &Cycle) -> Result<()> {
        cycle.declare(&Declaration::of_rust_type::<Product>("Product", &["id"])?.index("hash(category)"))?;
        cycle.declare(
            &Declaration::of_rust_type::<Customer>("Customer", &["id"])?.index("key(email)").index("hash(country)"),
        )?;
        let orders = Declaration::of_rust_type::<Order>("Order", &["id"])?.reference("customer_id: Customer")?;
        cycle.declare(&orders.index("hash(items[].product_id)").index("hash(customer_id)").index("sorted(day)"))?;
        let mut writer = cycle.values("Product")?;
        self.products.iter().try_for_each(|product| writer.add_serde(product))?;
        let mut writer = cycle.values("Customer")?;
        self.customers.iter().try_for_each(|customer| writer.add_serde(customer))?;
        let mut writer = cycle.values("Order")?;
        self.orders.iter().try_for_each(|order| writer.add_serde(order))?;
        Ok(())
    }

    /// Raises a quarter of all prices by a cent; returns these products.
    fn raise_prices(&mut self) -> Vec<Product> {
        let first = self.random.below(4);
        let raised = self.products.iter_mut().skip(first).step_by(4);
        raised
            .map(|product| {
                product.price_cents += 1;
                product.clone()
            })
            .collect()
    }

    /// Makes orders at the prices of now; returns them.
    fn sell(&mut self, count: u32) -> &[Order] {
        let first = self.orders.len();
        for number in 0..count {
            let id = u32::try_from(first).unwrap_or_default() + number;
            let items = (0..=self.random.below(4)).map(|_| {
                let product = &self.products[self.random.below(self.products.len())];
                let quantity = u32::try_from(1 + self.random.below(5)).unwrap_or_default();
                Item { product_id: product.id, quantity, price_cents: product.price_cents }
            });
            let items = items.collect();
            let customer = &self.customers[self.random.below(self.customers.len())];
            self.orders.push(Order { id, customer_id: customer.id, day: id / 30, items });
        }
        &self.orders[first..]
    }

    fn price_list(&self) -> u64 {
        self.products.iter().map(|product| product.price_cents).sum()
    }
}

fn first_price(product: u32) -> u64 {
    100 + u64::from(product.wrapping_mul(2_654_435_761) % 5_000)
}

/// Numbers that depend on the seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end as u64).unwrap_or_default()
    }
}
