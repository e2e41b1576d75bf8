"""The peer of the speed comparison: CoPL in PyTorch over timm's encoders, prompts concatenated to every window.

Naive on purpose: it is what the paper's words say, written with the usual tools. `compare.py` times it.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from timm.models.swin_transformer_v2 import window_partition, window_reverse


@dataclass
class CoplConfig:
    frames: int = 10          # T
    global_len: int = 20      # L_g
    interaction_len: int = 20 # L_I
    bank: int = 10            # q
    coupled_sites: int = 2    # k
    granularity: str = 'stage'  # a prompt site is one stage, or one block
    prompt_bias: str = 'zero'   # Swin-V2 position bias of prompt keys: zero, or the mean over the window's keys
    bottleneck: int = 8       # r = min(d_v, d_a) // bottleneck
    classes: int = 29
    consistency: float = 0.005


class SwinV2Stream(nn.Module):
    """Frozen timm SwinV2 exposed block by block; prompts join every window."""
    def __init__(self, model):
        super().__init__()
        self.m = model.eval().requires_grad_(False)
        self.prompt_bias = 'zero'
        self.blocks = [(s, i) for s, st in enumerate(model.layers) for i in range(len(st.blocks))]
        self.block_dims = [model.layers[s].blocks[i].dim for s, i in self.blocks]
        self.out_dim = self.block_dims[-1]

    def sites(self, granularity):
        if granularity == 'block':
            return [[l] for l in range(len(self.blocks))]
        return [[l for l, (s, _) in enumerate(self.blocks) if s == t] for t in range(len(self.m.layers))]

    def embed(self, x):
        return self.m.patch_embed(x)            # (B,H,W,C)

    def before(self, l, x):                     # patch merging stands at the start of a timm stage
        s, i = self.blocks[l]
        return self.m.layers[s].downsample(x) if i == 0 else x

    def tokens(self, x):
        return x.flatten(1, 2)

    def layer(self, l, x, prompts):
        s, i = self.blocks[l]
        b = self.m.layers[s].blocks[i]
        x = x + b.norm1(self._attn(b, x, prompts))
        B, H, W, C = x.shape
        x = x.reshape(B, -1, C)
        x = x + b.norm2(b.mlp(x))
        return x.reshape(B, H, W, C)

    def _attn(self, b, x, prompts):
        B, H, W, C = x.shape
        ws, ss = b.window_size, b.shift_size
        if any(ss):
            x = torch.roll(x, (-ss[0], -ss[1]), (1, 2))
        ph, pw = -H % ws[0], -W % ws[1]
        x = F.pad(x, (0, 0, 0, pw, 0, ph))
        Hp, Wp = x.shape[1:3]
        win = window_partition(x, ws).view(-1, b.window_area, C)
        nw = win.shape[0] // B
        a, P = b.attn, prompts.shape[1]
        N = b.window_area
        t = torch.cat([win, prompts.repeat_interleave(nw, 0)], 1)
        qkv = F.linear(t, a.qkv.weight, torch.cat((a.q_bias, a.k_bias, a.v_bias)))
        q, k, v = qkv.reshape(t.shape[0], N + P, 3, a.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        att = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        att = att * torch.clamp(a.logit_scale, max=math.log(1. / 0.01)).exp()
        table = a.cpb_mlp(a.relative_coords_table).view(-1, a.num_heads)
        bias = 16 * torch.sigmoid(table[a.relative_position_index.view(-1)].view(N, N, -1).permute(2, 0, 1))
        wide = F.pad(bias, (0, P, 0, P))
        if self.prompt_bias == 'mean' and P:   # prompt columns of a token's row take the mean of that row
            wide[:, :N, N:] = bias.mean(-1, keepdim=True)
        att = att + wide.unsqueeze(0)
        if b.attn_mask is not None:
            m = F.pad(b.attn_mask, (0, P, 0, P))
            att = (att.view(-1, nw, a.num_heads, N + P, N + P) + m[None, :, None]).view(-1, a.num_heads, N + P, N + P)
        o = (att.softmax(-1) @ v).transpose(1, 2).reshape(t.shape[0], N + P, C)
        o = a.proj(o)[:, :N]
        o = window_reverse(o.reshape(-1, ws[0], ws[1], C), ws, (Hp, Wp))[:, :H, :W]
        if any(ss):
            o = torch.roll(o, ss, (1, 2))
        return o

    def finish(self, x):
        return self.m.norm(x)

    def pool(self, x):
        return x.mean((1, 2))


class ViTStream(nn.Module):
    """Frozen timm ViT; prompts join the sequence, the class token is the pooled feature."""
    def __init__(self, model):
        super().__init__()
        self.m = model.eval().requires_grad_(False)
        self.block_dims = [model.embed_dim] * len(model.blocks)
        self.out_dim = model.embed_dim

    def sites(self, granularity):              # a plain ViT has no stages: a site is a block either way
        return [[l] for l in range(len(self.block_dims))]

    def embed(self, x):
        m = self.m
        return m.norm_pre(m._pos_embed(m.patch_embed(x)))

    def before(self, l, x):
        return x

    def tokens(self, x):
        return x

    def layer(self, l, x, prompts):
        b, N = self.m.blocks[l], x.shape[1]
        t = torch.cat([x, prompts], 1)
        return b(t)[:, :N]

    def finish(self, x):
        return self.m.norm(x)

    def pool(self, x):
        return x[:, 0]


class Mapping(nn.Module):
    def __init__(self, i, o, r):
        super().__init__()
        self.down, self.up = nn.Linear(i, r), nn.Linear(r, o)

    def forward(self, x):
        return self.up(F.relu(self.down(x)))


class Side(nn.Module):
    """What one modality holds at one coupled layer: latent tokens and its prompt bank."""
    def __init__(self, d, c):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(c.interaction_len, d) * 0.02)
        self.bank = nn.Parameter(torch.randn(c.bank, d) * 0.02)

    def forward(self, z):                                  # z (BT,N,d)
        lat = self.latents
        zc = lat + (lat @ z.transpose(1, 2)).softmax(-1) @ z   # eq 5
        e = (zc @ self.bank.t()).softmax(-1)                   # eq 6
        return e @ self.bank                                   # eq 7


class Coupling(nn.Module):
    def __init__(self, dv, da, c):
        super().__init__()
        r = max(1, min(dv, da) // c.bottleneck)
        self.visual, self.audio = Side(dv, c), Side(da, c)
        self.audio_to_visual, self.visual_to_audio = Mapping(da, dv, r), Mapping(dv, da, r)

    def forward(self, zv, za):
        pv, pa = self.visual(zv), self.audio(za)
        return torch.cat([pv, self.audio_to_visual(pa)], 1), torch.cat([pa, self.visual_to_audio(pv)], 1)


class Prompts(nn.Module):
    """One modality's modal-specific prompts: a global and a frame set per site; frame t sees its own frame prompt."""
    def __init__(self, dims, c):
        super().__init__()
        self.global_prompts = nn.ParameterList(nn.Parameter(torch.randn(c.global_len, d) * 0.02) for d in dims)
        self.frame_prompts = nn.ParameterList(nn.Parameter(torch.randn(c.frames, d) * 0.02) for d in dims)

    def forward(self, s, batch, frames):
        g = self.global_prompts[s].expand(batch * frames, -1, -1)
        f = self.frame_prompts[s].repeat(batch, 1).unsqueeze(1)
        return torch.cat([g, f], 1)


class Copl(nn.Module):
    """CoPL with an AVE head. frames (B,T,3,H,W), spectrogram (B,T,3,H,W) -> logits (B,T,classes)."""
    def __init__(self, visual, audio, c: CoplConfig):
        super().__init__()
        self.c = c
        visual.prompt_bias = audio.prompt_bias = c.prompt_bias
        object.__setattr__(self, 'v', visual); object.__setattr__(self, 'a', audio)   # frozen: not our parameters
        self.vs, self.as_ = visual.sites(c.granularity), audio.sites(c.granularity)
        dv, da = [visual.block_dims[s[0]] for s in self.vs], [audio.block_dims[s[0]] for s in self.as_]
        self.visual, self.audio = Prompts(dv, c), Prompts(da, c)
        k = c.coupled_sites
        self.coupling = nn.ModuleList(Coupling(dv[len(dv) - k + i], da[len(da) - k + i], c) for i in range(k))
        self.classifier = nn.Linear(visual.out_dim + audio.out_dim, c.classes)
        self.align = nn.Linear(audio.out_dim, visual.out_dim, bias=False) if audio.out_dim != visual.out_dim else None

    @staticmethod
    def _run(stream, site, z, prompts):
        for n, l in enumerate(site):
            z = stream.layer(l, z if n == 0 else stream.before(l, z), prompts)
        return z

    def features(self, frames, spectrogram):
        B, T = frames.shape[:2]
        zv, za = self.v.embed(frames.flatten(0, 1)), self.a.embed(spectrogram.flatten(0, 1))
        nv, na, k = len(self.vs), len(self.as_), self.c.coupled_sites
        for s in range(nv - k):
            zv = self._run(self.v, self.vs[s], self.v.before(self.vs[s][0], zv), self.visual(s, B, T))
        for s in range(na - k):
            za = self._run(self.a, self.as_[s], self.a.before(self.as_[s][0], za), self.audio(s, B, T))
        for i in range(k):
            sv, sa = nv - k + i, na - k + i
            zv, za = self.v.before(self.vs[sv][0], zv), self.a.before(self.as_[sa][0], za)   # merged: width of this site
            iv, ia = self.coupling[i](self.v.tokens(zv), self.a.tokens(za))
            zv = self._run(self.v, self.vs[sv], zv, torch.cat([self.visual(sv, B, T), iv], 1))
            za = self._run(self.a, self.as_[sa], za, torch.cat([self.audio(sa, B, T), ia], 1))
        return self.v.pool(self.v.finish(zv)), self.a.pool(self.a.finish(za))

    def forward(self, frames, spectrogram):
        fv, fa = self.features(frames, spectrogram)
        logits = self.classifier(torch.cat([fv, fa], -1))
        aligned = self.align(fa) if self.align is not None else fa
        return logits.unflatten(0, frames.shape[:2]), F.mse_loss(fv, aligned)

    def loss(self, frames, spectrogram, labels):
        logits, con = self(frames, spectrogram)
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten()) + self.c.consistency * con, logits, con
