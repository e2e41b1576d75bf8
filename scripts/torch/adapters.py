"""The peers of the speed comparison for LAVISH and DG-SCT: the two methods in PyTorch over timm's Swin-V2 and ViT, and a body
of HTS-AT, from the formulas in docs/methods.md.

Naive on purpose, as the official codes are: token matrices over the token axis multiply whole maps. The encoders' halves are
timm's own functions. `compare.py` times them.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from peer import SwinV2Stream, ViTStream


class HalvedSwinV2(SwinV2Stream):
    """Swin-V2 whose block runs in two halves, by timm's own functions; the norm stands behind each branch."""
    def __init__(self, model):
        super().__init__(model)
        self.block_tokens = [self._block(l).input_resolution[0] ** 2 for l in range(len(self.blocks))]
        self.stages = self.sites('stage')

    def _block(self, l):
        s, i = self.blocks[l]
        return self.m.layers[s].blocks[i]

    def attention(self, l, x):
        b = self._block(l)
        return x + b.norm1(b._attn(x))

    def feed_forward(self, l, x):
        b = self._block(l)
        return x + b.norm2(b.mlp(x))

    def like(self, tokens, x):                  # tokens (N, L, d) -> shape of x
        return tokens.reshape(x.shape)


class HalvedViT(ViTStream):
    """ViT whose block runs in two halves, by timm's own functions; the norm stands before each branch."""
    def __init__(self, model):
        super().__init__(model)
        self.stages = self.sites('stage')

    def attention(self, l, x):
        b = self.m.blocks[l]
        return x + b.attn(b.norm1(x))

    def feed_forward(self, l, x):
        b = self.m.blocks[l]
        return x + b.mlp(b.norm2(x))

    def like(self, tokens, x):
        return tokens


class HtsAtBody(nn.Module):
    """The encoder of HTS-AT with the official checkpoint's names, without spectrogram, drop path and classifiers."""
    class _Attention(nn.Module):
        def __init__(self, d, w, heads):
            super().__init__()
            self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
            self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * w - 1) ** 2, heads))

    class _Mlp(nn.Module):
        def __init__(self, d, hidden):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(d, hidden), nn.Linear(hidden, d)

    class _Block(nn.Module):
        def __init__(self, d, w, heads, hidden):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.attn, self.mlp = HtsAtBody._Attention(d, w, heads), HtsAtBody._Mlp(d, hidden)

    class _Merge(nn.Module):
        def __init__(self, d):
            super().__init__()
            self.norm, self.reduction = nn.LayerNorm(4 * d), nn.Linear(4 * d, 2 * d, bias=False)

    class _Stage(nn.Module):
        pass

    class _Patches(nn.Module):
        def __init__(self, d, patch):
            super().__init__()
            self.proj, self.norm = nn.Conv2d(1, d, patch, patch), nn.LayerNorm(d)

    def __init__(self, spec_size, mel_bins, patch_size, window_size, embed_dim, depths, num_heads, mlp_ratio=4.0):
        super().__init__()
        self.spec_size, self.folds, self.heads = spec_size, spec_size // mel_bins, num_heads
        self.bn0, self.patch_embed = nn.BatchNorm2d(mel_bins), self._Patches(embed_dim, patch_size)
        self.layers, self.geometry = nn.ModuleList(), []
        for s, depth in enumerate(depths):
            d, side = embed_dim << s, (spec_size // patch_size) >> s
            w = min(window_size, side)
            stage = self._Stage()
            stage.blocks = nn.ModuleList(self._Block(d, w, num_heads[s], int(d * mlp_ratio)) for _ in range(depth))
            if s + 1 < len(depths):
                stage.downsample = self._Merge(d)
            self.layers.append(stage)
            self.geometry.append([(side, w, 0 if side <= window_size or i % 2 == 0 else window_size // 2) for i in range(depth)])
        self.norm = nn.LayerNorm(embed_dim << (len(depths) - 1))

    def image(self, x):                         # (N, 1, frames, mels) in dB -> (N, 1, side, side)
        x = self.bn0(x.transpose(1, 3)).transpose(1, 3)
        columns = self.spec_size * self.folds
        if x.shape[2] < columns:
            x = F.interpolate(x, (columns, x.shape[3]), mode='bicubic', align_corners=True)
        n, mels = x.shape[0], x.shape[3]
        return x.reshape(n, self.folds, self.spec_size, mels).transpose(2, 3).reshape(n, 1, self.folds * mels, self.spec_size)

    def window_attention(self, s, i, x):
        side, w, shift = self.geometry[s][i]
        a, heads = self.layers[s].blocks[i].attn, self.heads[s]
        n, _, d = x.shape
        x = x.reshape(n, side, side, d)
        if shift:
            x = x.roll((-shift, -shift), (1, 2))
        k = side // w
        win = x.reshape(n, k, w, k, w, d).transpose(2, 3).reshape(n * k * k, w * w, d)
        q, key, v = a.qkv(win).reshape(-1, w * w, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
        at = torch.arange(w)
        rows, cols = at.repeat_interleave(w), at.repeat(w)
        index = (rows[:, None] - rows[None] + w - 1) * (2 * w - 1) + cols[:, None] - cols[None] + w - 1
        score = q @ key.transpose(-2, -1) * (d // heads) ** -0.5 + a.relative_position_bias_table[index].permute(2, 0, 1)
        if shift:
            region = torch.zeros(side, dtype=torch.long)
            region[side - w:side - shift], region[side - shift:] = 1, 2
            region = (3 * region[:, None] + region[None]).reshape(k, w, k, w).transpose(1, 2).reshape(k * k, w * w)
            mask = torch.where(region[:, :, None] == region[:, None], 0.0, -100.0).to(x)
            score = (score.unflatten(0, (n, k * k)) + mask[None, :, None]).flatten(0, 1)
        out = a.proj((score.softmax(-1) @ v).transpose(1, 2).reshape(-1, w * w, d))
        out = out.reshape(n, k, k, w, w, d).transpose(2, 3).reshape(n, side, side, d)
        if shift:
            out = out.roll((shift, shift), (1, 2))
        return out.reshape(n, side * side, d)


class HtsAtStream(nn.Module):
    """Frozen HTS-AT in halves; pre-norm blocks, merging stored with the stage before."""
    def __init__(self, body):
        super().__init__()
        self.m = body.eval().requires_grad_(False)
        self.blocks = [(s, i) for s, st in enumerate(body.layers) for i in range(len(st.blocks))]
        self.stages = [[l for l, (s, _) in enumerate(self.blocks) if s == t] for t in range(len(body.layers))]
        self.block_dims = [body.layers[s].blocks[i].norm1.normalized_shape[0] for s, i in self.blocks]
        self.block_tokens = [body.geometry[s][i][0] ** 2 for s, i in self.blocks]
        self.out_dim = self.block_dims[-1]

    def embed(self, x):
        p = self.m.patch_embed
        return p.norm(p.proj(self.m.image(x)).flatten(2).transpose(1, 2))

    def before(self, l, x):
        s, i = self.blocks[l]
        if i or not s:
            return x
        m, side = self.m.layers[s - 1].downsample, self.m.geometry[s - 1][0][0]
        x = x.reshape(x.shape[0], side, side, -1)
        x = torch.cat([x[:, r::2, c::2] for c in (0, 1) for r in (0, 1)], -1)
        return m.reduction(m.norm(x.flatten(1, 2)))

    def tokens(self, x):
        return x

    def like(self, tokens, x):
        return tokens

    def attention(self, l, x):
        s, i = self.blocks[l]
        return x + self.m.window_attention(s, i, self.m.layers[s].blocks[i].norm1(x))

    def feed_forward(self, l, x):
        s, i = self.blocks[l]
        b = self.m.layers[s].blocks[i]
        return x + b.mlp.fc2(F.gelu(b.mlp.fc1(b.norm2(x))))

    def finish(self, x):
        return self.m.norm(x)

    def pool(self, x):
        return x.mean(1)


# ---------------------------------------------------------------- adapters

@dataclass
class AdapterConfig:
    frames: int = 10            # T
    classes: int = 29
    latents: int = 2            # t
    reduction: int = 8          # rho
    groups: int = 2             # G
    batch_norm: bool = True
    norm_before: bool = True    # LN_pre
    norm_after: bool = True     # LN_post
    audio_gate: bool = True     # audio adapters have an output gate (visual ones always do)
    gate_first: bool = False    # the gate stands before LN_post (segmentation), not behind it
    align: str = 'tokens'       # DG-SCT: the other modality's tokens by a learned matrix, or `resize` (segmentation)
    channel_weight: float = 0.3  # alpha
    spatial_weight: float = 0.05  # beta


class Grouped(nn.Module):
    """Linear without bias in G groups: output group g reads input group g alone."""
    def __init__(self, i, o, groups):
        super().__init__()
        self.groups, self.weight = groups, nn.Parameter(torch.randn(o, i // groups) * (i // groups) ** -0.5)

    def forward(self, x):
        x = x.unflatten(-1, (self.groups, -1))
        return torch.einsum('nlgi,goi->nlgo', x, self.weight.unflatten(0, (self.groups, -1))).flatten(-2)


class TokenBatchNorm(nn.Module):
    """Batch norm of each channel over all tokens of all images: batch statistics in training (the running ones follow
    with momentum 0.1 and the unbiased variance), running statistics in evaluation."""
    def __init__(self, d):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))
        self.register_buffer('running_mean', torch.zeros(d)); self.register_buffer('running_var', torch.ones(d))

    def forward(self, x):
        flat = x.flatten(0, 1)
        if self.training:
            mean, var = flat.mean(0), flat.var(0, unbiased=False)
            with torch.no_grad():
                n = flat.shape[0]
                self.running_mean.lerp_(mean, 0.1)
                self.running_var.lerp_(var * n / (n - 1), 0.1)
        else:
            mean, var = self.running_mean, self.running_var
        return ((flat - mean) / (var + 1e-5).sqrt() * self.weight + self.bias).reshape(x.shape)


class Adapter(nn.Module):
    """What both methods share: latents gather the other modality, tokens read the latents, a bottleneck closes."""
    def __init__(self, d, c, gated):
        super().__init__()
        r = d // c.reduction
        self.c = c
        self.latents, self.fusion_gate = nn.Parameter(torch.rand(c.latents, d)), nn.Parameter(torch.zeros(1))
        self.norm_before = nn.LayerNorm(d) if c.norm_before else None
        self.down, self.up = Grouped(d, r, c.groups), Grouped(r, d, c.groups)
        self.batch_norm_down = TokenBatchNorm(r) if c.batch_norm else None
        self.batch_norm_up = TokenBatchNorm(d) if c.batch_norm else None
        self.norm_after = nn.LayerNorm(d) if c.norm_after else None
        self.gate = nn.Parameter(torch.zeros(1)) if gated else None

    def fuse(self, x, y):                       # x (N, n, d), y (N, m, d)
        s = self.latents + (self.latents @ y.transpose(1, 2)).softmax(-1) @ y
        return x + self.fusion_gate * ((x @ s.transpose(1, 2)).softmax(-1) @ s)

    def bottleneck(self, x):
        some = lambda f, z: z if f is None else f(z)
        z = self.down(some(self.norm_before, x))
        z = self.up(some(self.batch_norm_down, z).relu())
        z = some(self.batch_norm_up, z)
        gate = (lambda z: z) if self.gate is None else (lambda z: self.gate * z)
        return some(self.norm_after, gate(z)) if self.c.gate_first else gate(some(self.norm_after, z))


class LavishAdapter(Adapter):
    def forward(self, x, y):
        return self.bottleneck(self.fuse(x, y))


class DgSctAdapter(Adapter):
    """d, n: width and number of its own tokens; e, m: the other modality's."""
    def __init__(self, d, n, e, m, c, gated):
        super().__init__(d, c, gated)
        self.side, h = int(n ** 0.5), d // 2
        if c.align == 'tokens':
            self.align_tokens = nn.Module()
            self.align_tokens.weight = nn.Parameter(torch.randn(n, m) * m ** -0.5)
            self.align_tokens.bias = nn.Parameter(torch.zeros(n))
        self.align_width = nn.Linear(e, d)
        self.channel_other, self.channel_own = nn.Linear(d, d), nn.Linear(d, d)
        self.channel_squeeze, self.channel_expand = nn.Linear(d, h), nn.Linear(h, d)
        self.spatial_other, self.spatial_own, self.spatial_score = nn.Linear(d, h), nn.Linear(d, h), nn.Linear(h, 1)

    def aligned(self, y):                       # (N, m, e) -> (N, n, d)
        if self.c.align == 'tokens':
            return self.align_width(self.align_tokens.weight @ y + self.align_tokens.bias[:, None])
        y = self.align_width(y).transpose(1, 2)
        side = int(y.shape[2] ** 0.5)
        y = F.interpolate(y.unflatten(2, (side, side)), size=(self.side, self.side), mode='bicubic', align_corners=False)
        return y.flatten(2).transpose(1, 2)

    def forward(self, x, y):
        y = self.aligned(y)
        x = self.fuse(x, y)
        a = y.mean(1, keepdim=True)                                                       # (N, 1, d)
        q = self.channel_other(a).relu() * self.channel_own(x).relu().mean(1, keepdim=True)
        channel = self.channel_expand(self.channel_squeeze(q).relu()).sigmoid()           # (N, 1, d)
        query = self.spatial_own(x * (1 + channel)).relu() * self.spatial_other(a).relu()
        score = self.spatial_score(query)                                                 # (N, n, 1)
        alpha, beta = self.c.channel_weight, self.c.spatial_weight
        x = x * (alpha * channel + beta * score.sigmoid() + 1 - alpha)
        return self.bottleneck(x), score.tanh().softmax(1).transpose(1, 2)                # map (N, 1, n)


# ---------------------------------------------------------------- methods

def pairs(visual_stages, audio_stages):
    """Visual block -> (index of the pair, audio block). Stage s of one meets stage s of the other; where the visual
    stage has k times as many blocks, its every k-th block (the last of each k) is paired."""
    found, n = {}, 0
    for v, a in zip(visual_stages, audio_stages, strict=True):
        k, rest = divmod(len(v), len(a))
        assert rest == 0 and k > 0, 'a visual stage must have a multiple of the blocks of the audio stage'
        for i, block in enumerate(a):
            found[v[k * i + k - 1]] = (n, block); n += 1
    return found


class Pair(nn.Module):
    """Adapters of one modality at one block: beside the attention and beside the feed-forward layer."""
    def __init__(self, make):
        super().__init__()
        self.attention, self.feed_forward = make(), make()


class Modality(nn.Module):
    def __init__(self, adapters):
        super().__init__()
        self.adapters = nn.ModuleList(adapters)


class Baseline(nn.Module):
    def __init__(self, visual, audio, c):
        super().__init__()
        self.c = c
        object.__setattr__(self, 'v', visual); object.__setattr__(self, 'a', audio)       # frozen: not our parameters
        self.classifier = nn.Linear(visual.out_dim + audio.out_dim, c.classes)

    def forward(self, frames, spectrogram):
        fv, fa = self.features(frames, spectrogram)
        return self.classifier(torch.cat([fv, fa], -1)).unflatten(0, frames.shape[:2]), fv, fa

    def loss(self, frames, spectrogram, labels):
        logits, fv, fa = self(frames, spectrogram)
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten()), logits, fv, fa

    def _walk(self, frames, spectrogram, meet):
        """Runs both encoders; `meet(pair, stage, l, la, zv, za)` runs a paired block of both."""
        v, a = self.v, self.a
        zv, za = v.embed(frames.flatten(0, 1)), a.embed(spectrogram.flatten(0, 1))
        paired = pairs(v.stages, a.stages)
        for s, stage in enumerate(v.stages):
            zv, za = v.before(stage[0], zv), a.before(a.stages[s][0], za)
            for l in stage:
                if l in paired:
                    zv, za = meet(*paired[l], s, l, zv, za)
                else:
                    zv = v.feed_forward(l, v.attention(l, zv))
        return zv, za


class Lavish(Baseline):
    """One encoder for both modalities, or two whose blocks are paired (our reading: a bias-free Linear a stage and
    direction carries the other modality's tokens to the adapter's width)."""
    def __init__(self, visual, audio, c):
        super().__init__(visual, audio, c)
        found = list(pairs(visual.stages, audio.stages).items())
        dv, da = [visual.block_dims[l] for l, _ in found], [audio.block_dims[p[1]] for _, p in found]
        self.visual = Modality(Pair(lambda: LavishAdapter(d, c, True)) for d in dv)
        self.audio = Modality(Pair(lambda: LavishAdapter(d, c, c.audio_gate)) for d in da)
        widths = [(visual.block_dims[s[0]], audio.block_dims[t[0]]) for s, t in zip(visual.stages, audio.stages)]
        self.align = nn.ModuleList(nn.ModuleDict(dict(audio_to_visual=nn.Linear(y, x, bias=False), visual_to_audio=nn.Linear(x, y, bias=False)))
                                   for x, y in widths) if any(x != y for x, y in widths) else None

    def features(self, frames, spectrogram):
        v, a = self.v, self.a

        def meet(n, la, s, l, zv, za):
            to_v = self.align[s]['audio_to_visual'] if self.align is not None else lambda y: y
            to_a = self.align[s]['visual_to_audio'] if self.align is not None else lambda y: y
            for part in ('attention', 'feed_forward'):
                tv, ta = v.tokens(zv), a.tokens(za)
                rv = getattr(self.visual.adapters[n], part)(tv, to_v(ta))
                ra = getattr(self.audio.adapters[n], part)(ta, to_a(tv))
                zv = getattr(v, part)(l, zv) + v.like(rv, zv)
                za = getattr(a, part)(la, za) + a.like(ra, za)
            return zv, za

        zv, za = self._walk(frames, spectrogram, meet)
        return v.pool(v.finish(zv)), a.pool(a.finish(za))


class DgSct(Baseline):
    def __init__(self, visual, audio, c, visual_tokens, audio_tokens):
        """`*_tokens`: number of tokens of each block."""
        super().__init__(visual, audio, c)
        self.visual, self.audio = Modality([]), Modality([])
        for l, (_, la) in pairs(visual.stages, audio.stages).items():
            v, a = (visual.block_dims[l], visual_tokens[l]), (audio.block_dims[la], audio_tokens[la])
            self.visual.adapters.append(Pair(lambda: DgSctAdapter(*v, *a, c, True)))
            self.audio.adapters.append(Pair(lambda: DgSctAdapter(*a, *v, c, c.audio_gate)))

    def features(self, frames, spectrogram):
        v, a = self.v, self.a
        maps = []

        def meet(n, la, s, l, zv, za):
            visual, audio = self.visual.adapters[n], self.audio.adapters[n]
            rv, _ = visual.attention(v.tokens(zv), a.tokens(za))
            ra, _ = audio.attention(a.tokens(za), v.tokens(zv))
            zv = v.attention(l, zv) + v.like(rv, zv)
            za = a.feed_forward(la, a.attention(la, za)) + ra          # the audio block runs whole
            rv, mv = visual.feed_forward(v.tokens(zv), a.tokens(za))
            ra, ma = audio.feed_forward(a.tokens(za), v.tokens(zv))
            maps[:] = [mv, ma]
            return v.feed_forward(l, zv) + v.like(rv, zv), za + ra

        zv, za = self._walk(frames, spectrogram, meet)
        # The last maps pool the tokens; the audio tokens pass no final norm.
        return (maps[0] @ v.tokens(v.finish(zv))).squeeze(1), (maps[1] @ za).squeeze(1)
