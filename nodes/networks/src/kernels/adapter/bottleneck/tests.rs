use candle_core::{Device, Tensor, Var};
use copl_testing::tensors::{assert_gradients, assert_same, difference, tensor, values, var};

use super::fused;
use crate::kernels::adapter::{AdaptedTokens, Bottleneck, Fusion, GatePlace, RowNorm, plain};
use crate::kernels::batch_norm::BatchStatistics;

/// A batch norm's statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Own,
    Given,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    images: usize,
    tokens: usize,
    width: usize,
    narrow: usize,
    groups: usize,
    /// Latents that tokens read.
    latents: Option<usize>,
    /// The layer norms before and after.
    norms: [bool; 2],
    /// The batch norms behind `down` and `up`.
    batch_norms: [Option<Taken>; 2],
    gate: Option<GatePlace>,
}

const CASE: Case = Case {
    images: 2,
    tokens: 9,
    width: 16,
    narrow: 8,
    groups: 2,
    latents: Some(2),
    norms: [true; 2],
    batch_norms: [Some(Taken::Own); 2],
    gate: Some(GatePlace::AfterNorm),
};

/// An adapter of variables, and the tokens.
struct Adapter {
    x: Var,
    fusion: Option<[Var; 2]>,
    norms: [Option<[Var; 2]>; 2],
    layers: [Var; 2],
    batch_norms: [Option<[Var; 2]>; 2],
    gate: Option<Var>,
    case: Case,
}

impl Adapter {
    fn new(case: Case) -> Self {
        let Case { images, tokens, width, narrow, groups, .. } = case;
        let pair =
            |wanted: bool, channels: usize, seed| wanted.then(|| [var(&[channels], seed), var(&[channels], seed + 1)]);
        let of_rows = |index: usize, channels| pair(case.batch_norms[index].is_some(), channels, 20 + 2 * index as u64);
        Self {
            x: var(&[images, tokens, width], 1),
            fusion: case.latents.map(|count| [var(&[images, count, width], 2), var(&[1], 3)]),
            norms: [pair(case.norms[0], width, 10), pair(case.norms[1], width, 12)],
            layers: [var(&[narrow, width / groups], 4), var(&[width, narrow / groups], 5)],
            batch_norms: [of_rows(0, narrow), of_rows(1, width)],
            gate: case.gate.map(|_| var(&[1], 6)),
            case,
        }
    }

    fn vars(&self) -> Vec<&Var> {
        let pairs = self.fusion.iter().chain(self.norms.iter().flatten()).chain(self.batch_norms.iter().flatten());
        [&self.x].into_iter().chain(pairs.flatten()).chain(&self.layers).chain(&self.gate).collect()
    }

    /// Arguments; a variable that is not `tracked` takes no part in a graph.
    fn arguments(&self, tracked: impl Fn(&Var) -> bool) -> (Tensor, Option<Fusion>, Bottleneck) {
        let of = |var: &Var| if tracked(var) { var.as_tensor().clone() } else { var.as_detached_tensor() };
        let of_rows = |index: usize| {
            self.batch_norms[index].as_ref().map(|[weight, bias]| {
                let channels = weight.dims();
                let variance = (tensor(channels, 31).abs().unwrap() + 0.1).unwrap();
                let given = BatchStatistics::given(&tensor(channels, 30), &variance).unwrap();
                let given = (self.case.batch_norms[index] == Some(Taken::Given)).then_some(given);
                RowNorm { weight: of(weight), bias: of(bias), given }
            })
        };
        let norm = |index: usize| self.norms[index].as_ref().map(|[weight, bias]| (of(weight), of(bias)));
        let fusion = self.fusion.as_ref().map(|[latents, gate]| Fusion { latents: of(latents), gate: of(gate) });
        let layers = Bottleneck {
            groups: self.case.groups,
            norm_before: norm(0),
            down: of(&self.layers[0]),
            batch_norm_down: of_rows(0),
            up: of(&self.layers[1]),
            batch_norm_up: of_rows(1),
            norm_after: norm(1),
            gate: self.gate.as_ref().map(of),
            gate_place: self.case.gate.unwrap_or(GatePlace::AfterNorm),
        };
        (of(&self.x), fusion, layers)
    }

    fn fused(&self) -> AdaptedTokens {
        let (x, fusion, layers) = self.arguments(|_| true);
        fused(&x, fusion.as_ref(), &layers).unwrap()
    }

    fn plain(&self) -> AdaptedTokens {
        let (x, fusion, layers) = self.arguments(|_| true);
        plain::adapt(&x, fusion.as_ref(), &layers).unwrap()
    }

    fn assert_same(&self) {
        assert_same(&self.vars(), 1e-4, || self.fused().tokens, || self.plain().tokens);
        for (ours, expected) in self.fused().statistics.iter().zip(self.plain().statistics) {
            let (Some(ours), Some(expected)) = (ours, &expected) else {
                assert_eq!(ours.is_some(), expected.is_some(), "{:?}", self.case);
                continue;
            };
            assert_eq!(ours.rows, expected.rows);
            let row = |numbers: &[f32]| Tensor::from_slice(numbers, numbers.len(), &Device::Cpu).unwrap();
            assert!(difference(&row(&ours.mean), &row(&expected.mean)) < 2e-6, "{:?}", self.case);
            assert!(difference(&row(&ours.variance), &row(&expected.variance)) < 5e-6, "{:?}", self.case);
        }
    }
}

#[test]
fn kernel_and_plain_composition_agree_under_every_combination_of_switches() {
    use Taken::{Given, Own};
    let batch_norms =
        [[None, None], [Some(Own), Some(Own)], [Some(Given), Some(Given)], [Some(Own), None], [None, Some(Own)]];
    for norms in [[false, false], [true, false], [false, true], [true, true]] {
        for batch_norms in batch_norms {
            for gate in [None, Some(GatePlace::AfterNorm), Some(GatePlace::BeforeNorm)] {
                for latents in [None, Some(1), Some(2), Some(32)] {
                    for groups in [1, 2, 4] {
                        Adapter::new(Case { norms, batch_norms, gate, latents, groups, ..CASE }).assert_same();
                    }
                }
            }
        }
    }
}

#[test]
fn kernel_and_plain_composition_agree_over_tasks_that_images_do_not_divide() {
    for (images, tokens) in [(1, 1), (3, 230), (1, 700), (80, 13)] {
        for (latents, batch_norms) in [(2, [Some(Taken::Own); 2]), (32, [None; 2])] {
            let latents = Some(latents);
            Adapter::new(Case { images, tokens, latents, batch_norms, width: 24, ..CASE }).assert_same();
        }
    }
}

#[test]
fn gradients_pass_through_the_statistics_of_the_batch() {
    for gate in [GatePlace::AfterNorm, GatePlace::BeforeNorm] {
        let adapter = Adapter::new(Case { tokens: 4, width: 8, narrow: 4, gate: Some(gate), ..CASE });
        // No number comes near the ReLU's edge: half of the channels stay above it, half below.
        let [_, bias] = adapter.batch_norms[0].as_ref().unwrap();
        bias.set(&Tensor::new(&[4f32, -4.0, 4.0, 4.5], &Device::Cpu).unwrap()).unwrap();
        assert_gradients(&adapter.vars(), 10, 4e-3, || adapter.fused().tokens);
    }
}

#[test]
fn a_bias_in_front_of_statistics_of_the_batch_has_no_gradient() {
    let adapter = Adapter::new(CASE);
    let gradients = adapter.fused().tokens.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let [weight, bias] = adapter.norms[0].as_ref().unwrap();
    assert_eq!(values(gradients.get(bias).unwrap()), vec![0.0; 16]);
    assert!(values(gradients.get(weight).unwrap()).iter().all(|d| *d != 0.0));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let adapter = Adapter::new(Case { images: 5, tokens: 430, ..CASE });
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let adapted = adapter.fused();
            let gradients = adapted.tokens.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let gradients: Vec<Vec<f32>> =
                adapter.vars().into_iter().map(|of| values(gradients.get(of).unwrap())).collect();
            (values(&adapted.tokens), adapted.statistics, gradients)
        })
    };
    let one = run(1);
    for threads in [2, 3] {
        assert!(run(threads) == one, "other bits with {threads} threads");
    }
}

#[test]
fn only_what_takes_part_in_the_graph_has_a_gradient_and_it_is_the_same() {
    let adapter = Adapter::new(CASE);
    let gradients = |tracked: &dyn Fn(&Var) -> bool| {
        let (x, fusion, layers) = adapter.arguments(tracked);
        let y = fused(&x, fusion.as_ref(), &layers).unwrap().tokens;
        y.sqr().unwrap().sum_all().unwrap().backward().unwrap()
    };
    let all = gradients(&|_| true);
    let latents = &adapter.fusion.as_ref().unwrap()[0];
    for alone in [&adapter.x, latents] {
        let found = gradients(&|var| var.id() == alone.id());
        assert_eq!(values(found.get(alone).unwrap()), values(all.get(alone).unwrap()));
        assert_eq!(found.get_ids().count(), 1, "the variable alone");
    }
    let found = gradients(&|var| var.id() != adapter.x.id() && var.id() != latents.id());
    assert!(found.get(&adapter.x).is_none() && found.get(latents).is_none());
    for of in adapter.vars().into_iter().filter(|var| var.id() != adapter.x.id() && var.id() != latents.id()) {
        assert_eq!(values(found.get(of).unwrap()), values(all.get(of).unwrap()));
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (x, fusion, layers) = Adapter::new(CASE).arguments(|_| true);
    assert!(fused(&tensor(&[2, 9, 12], 1), None, &layers).is_err());
    let narrow = || Some((tensor(&[8], 1), tensor(&[8], 2)));
    assert!(fused(&x, fusion.as_ref(), &Bottleneck { norm_after: narrow(), ..layers.clone() }).is_err());
    assert!(fused(&x, fusion.as_ref(), &Bottleneck { groups: 4, ..layers }).is_err());
}
