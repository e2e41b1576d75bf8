//! Columns and heights: a node stands right of all it reads from, a data edge that passes a column has a place of its own
//! there, and places are ordered and moved so that edges cross little and run straight.

use super::flow::{Class, Flow};

/// Vertical space between two places of a column.
const ROW_GAP: f64 = 30.0;
/// Height of the place of an edge that passes a column.
const PASSAGE: f64 = 22.0;
/// How much more a box keeps to its place than an edge that passes.
const BOX_WEIGHT: f64 = 12.0;
/// Sweeps over the columns for order and for height.
const SWEEPS: usize = 12;
/// Sweeps that straighten passages; more would push them outward for ever.
const STRAIGHTENING: usize = 2;

/// A place in a column.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The node that stands here; none where an edge passes.
    pub(super) node: Option<usize>,
    pub(super) column: usize,
    pub(super) height: f64,
    /// Its middle.
    pub(super) y: f64,
}

/// Where everything stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    /// The nodes, by index, then the passages.
    pub(super) places: Vec<Place>,
    /// The places of each column, top down.
    pub(super) columns: Vec<Vec<usize>>,
    /// The places each data edge goes through, its ends included; empty for other edges.
    pub(super) chains: Vec<Vec<usize>>,
}

impl Layers {
    /// Lays out nodes of these heights.
    pub(super) fn new(flow: &Flow, heights: &[f64]) -> Self {
        let column_of = columns(flow);
        let mut layers =
            Self { columns: vec![Vec::new(); column_of.iter().max().map_or(0, |c| c + 1)], ..Self::default() };
        for (node, (column, height)) in column_of.iter().zip(heights).enumerate() {
            layers.push(Some(node), *column, *height);
        }
        for edge in &flow.edges {
            let mut chain = Vec::new();
            if edge.class == Class::Data {
                chain.push(edge.from);
                for column in column_of[edge.from] + 1..column_of[edge.to] {
                    chain.push(layers.push(None, column, PASSAGE));
                }
                chain.push(edge.to);
            }
            layers.chains.push(chain);
        }
        let neighbours = layers.neighbours();
        layers.order(&neighbours);
        layers.heights(flow, &neighbours);
        layers
    }

    fn push(&mut self, node: Option<usize>, column: usize, height: f64) -> usize {
        self.places.push(Place { node, column, height, y: 0.0 });
        self.columns[column].push(self.places.len() - 1);
        self.places.len() - 1
    }

    fn neighbours(&self) -> Vec<Vec<usize>> {
        let mut neighbours = vec![Vec::new(); self.places.len()];
        for pair in self.chains.iter().flat_map(|c| c.windows(2)) {
            neighbours[pair[0]].push(pair[1]);
            neighbours[pair[1]].push(pair[0]);
        }
        neighbours
    }

    /// Orders each column by the mean rank of its neighbours, left to right and back.
    fn order(&mut self, neighbours: &[Vec<usize>]) {
        for sweep in 0..SWEEPS {
            let count = self.columns.len();
            for i in 0..count {
                let column = if sweep % 2 == 0 { i } else { count - 1 - i };
                let mut rank = vec![0.0; self.places.len()];
                for places in &self.columns {
                    places.iter().enumerate().for_each(|(r, p)| rank[*p] = (r as f64 + 0.5) / places.len() as f64);
                }
                let behind = |p: &usize| (self.places[*p].column < column) == (sweep % 2 == 0);
                let wish =
                    |p: usize| mean(neighbours[p].iter().filter(|n| behind(n)).map(|n| rank[*n])).unwrap_or(rank[p]);
                let mut ordered: Vec<(f64, usize)> = self.columns[column].iter().map(|p| (wish(*p), *p)).collect();
                ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.columns[column] = ordered.into_iter().map(|(_, p)| p).collect();
            }
        }
    }

    /// Moves every place as near to its neighbours' height as the column allows; then edges that pass are straightened.
    fn heights(&mut self, flow: &Flow, neighbours: &[Vec<usize>]) {
        let mut wishes = vec![0.0; self.places.len()];
        for column in &self.columns {
            settle(&mut self.places, column, &wishes);
        }
        for sweep in 0..SWEEPS + STRAIGHTENING {
            for i in 0..self.columns.len() {
                let column = if sweep % 2 == 0 { i } else { self.columns.len() - 1 - i };
                for place in &self.columns[column] {
                    if self.places[*place].node.is_some() {
                        wishes[*place] = self.wish(flow, *place, &neighbours[*place]);
                    }
                }
                self.wish_passages(sweep >= SWEEPS, &mut wishes);
                settle(&mut self.places, &self.columns[column], &wishes);
            }
        }
    }

    /// A box wishes to stand between the boxes it shares data with; failing those, between those it shares reports with.
    fn wish(&self, flow: &Flow, place: usize, neighbours: &[usize]) -> f64 {
        let boxes = neighbours.iter().filter(|n| self.places[**n].node.is_some()).map(|n| self.places[*n].y);
        let senders = flow.of(Class::Report).filter(|(_, e)| e.to == place).map(|(_, e)| self.places[e.from].y);
        let any = || mean(neighbours.iter().map(|n| self.places[*n].y));
        mean(boxes).or_else(any).or_else(|| mean(senders)).unwrap_or(self.places[place].y)
    }

    /// Passages wish to be between the ends of their edge; to be straight, where the one that is pushed furthest off is.
    fn wish_passages(&self, is_straight: bool, wishes: &mut [f64]) {
        let y = |place: &usize| self.places[*place].y;
        for chain in &self.chains {
            let [first, passages @ .., last] = chain.as_slice() else { continue };
            let between = (y(first) + y(last)) / 2.0;
            let furthest = passages.iter().map(y).max_by(|a, b| (a - between).abs().total_cmp(&(b - between).abs()));
            for passage in passages {
                wishes[*passage] = furthest.filter(|_| is_straight).unwrap_or(between);
            }
        }
    }
}

/// Column of each node: the longest way to it, feedback left out; a node that reads nothing stands before its first reader.
fn columns(flow: &Flow) -> Vec<usize> {
    let forward: Vec<(usize, usize)> =
        flow.edges.iter().filter(|e| e.class != Class::Feedback).map(|e| (e.from, e.to)).collect();
    let mut column = vec![0; flow.nodes.len()];
    // Without cycles, no way is longer than the number of nodes.
    for _ in 0..flow.nodes.len() {
        for (from, to) in &forward {
            column[*to] = column[*to].max(column[*from] + 1);
        }
    }
    for node in 0..flow.nodes.len() {
        if forward.iter().all(|(_, to)| *to != node)
            && let Some(first) = forward.iter().filter(|(from, _)| *from == node).map(|(_, to)| column[*to]).min()
        {
            column[node] = first - 1;
        }
    }
    column
}

/// Puts a column's places where they wish to be, in order and without overlap, with the least weighted sum of squared
/// moves (pool adjacent violators). `wishes` is by place.
fn settle(places: &mut [Place], column: &[usize], wishes: &[f64]) {
    let mut offset = 0.0;
    let mut offsets = Vec::new();
    // Height of the first place if only this pool existed, its weight, the number of its places.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (i, place) in column.iter().enumerate() {
        if i > 0 {
            offset += (places[column[i - 1]].height + places[*place].height) / 2.0 + ROW_GAP;
        }
        offsets.push(offset);
        let weight = if places[*place].node.is_some() { BOX_WEIGHT } else { 1.0 };
        let mut pool = (wishes[*place] - offset, weight, 1);
        while let Some((base, weight, count)) = pools.pop_if(|p| p.0 > pool.0) {
            let total = weight + pool.1;
            pool = ((base * weight + pool.0 * pool.1) / total, total, count + pool.2);
        }
        pools.push(pool);
    }
    let bases = pools.iter().flat_map(|(base, _, count)| std::iter::repeat_n(*base, *count));
    for ((place, offset), base) in column.iter().zip(offsets).zip(bases) {
        places[*place].y = base + offset;
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
