# %% [markdown]
# # A tour of generative models
#
# A Markov chain, a small transformer language model, a variational autoencoder, a GAN and a diffusion model,
# each trained from scratch in under a minute on two cores. The cells that begin with `# nbcopilot` were generated
# from the instruction above them, and the text was written by `nbcopilot document`.

# %%
%load_ext nbcopilot

# %%
import math
import random
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
random.seed(0)
torch.set_num_threads(2)
plt.rcParams["figure.dpi"] = 80

# %%
text = """the quick brown fox jumps over the lazy dog. the lazy dog sleeps in the warm sun.
a small model learns which letter follows which. the model writes what it has seen before.
every sample is new, and every sample is a little like the data. the data is the teacher of the model.
the fox runs in the sun and the dog dreams of the fox. a letter follows a letter, a word follows a word.
the model counts, the model learns, and in the end the model speaks in the words of the data. """ * 4
len(text), sorted(set(text))[:10]

# %% [markdown]
# ## A Markov chain

# %%
%%generate
Write a function build_chain(text, order) that returns a dict mapping every substring of `order` characters to the list of characters that follow it in text.

# %%
%%generate
Write a function sample_chain(chain, seed, length) that starts with the string seed and appends random.choice(chain[last]) until the text has `length` characters, where last is the final len(seed) characters; stop early when last is not in chain. Return the text.

# %%
chain = build_chain(text, 4)
print(sample_chain(chain, text[:4], 200))

# %% [markdown]
# ## A small transformer language model

# %%
letters = sorted(set(text))
index = {letter: i for i, letter in enumerate(letters)}
data = torch.tensor([index[letter] for letter in text])
CONTEXT = 32


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        h = self.norm1(x)
        x = x + self.attention(h, h, h, attn_mask=mask, is_causal=True, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class LanguageModel(nn.Module):
    def __init__(self, letters, width=64, heads=4, layers=2):
        super().__init__()
        self.token, self.place = nn.Embedding(letters, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.head = nn.Linear(width, letters)

    def forward(self, tokens):
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        return self.head(self.blocks(x))

# %%
language_model = LanguageModel(len(letters))
optimizer = torch.optim.AdamW(language_model.parameters(), lr=3e-3)
losses, start = [], time.time()
for step in range(300):
    starts = torch.randint(len(data) - CONTEXT - 1, (32,))
    batch = torch.stack([data[i : i + CONTEXT + 1] for i in starts])
    loss = F.cross_entropy(language_model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")

# %%
%%generate
Plot the list losses as a line with the x label "step" and the y label "loss", on a figure of size (5, 2.5).

# %%
tokens = data[:8][None]
with torch.no_grad():
    for _ in range(200):
        logits = language_model(tokens[:, -CONTEXT:])[:, -1]
        tokens = torch.cat([tokens, torch.multinomial(F.softmax(logits / 0.7, -1), 1)], 1)
print("".join(letters[i] for i in tokens[0]))

# %% [markdown]
# ## The digits

# %%
digits = load_digits()
images = torch.tensor(digits.data, dtype=torch.float32) / 16
images.shape

# %%
def show_digits(images, title):
    figure, axes = plt.subplots(2, 8, figsize=(8, 2.2))
    for image, ax in zip(images.detach(), axes.flat):
        ax.imshow(image.reshape(8, 8), cmap="gray_r")
        ax.axis("off")
    figure.suptitle(title)
    plt.show()

# %%
show_digits(images, "real digits")

# %% [markdown]
# ## A variational autoencoder

# %%
class VAE(nn.Module):
    def __init__(self, latent=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 128), nn.ReLU(), nn.Linear(128, 64), nn.Sigmoid())

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decoder(z), mean, log_variance


vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=2e-3)
for epoch in range(60):
    for batch in images[torch.randperm(len(images))].split(128):
        decoded, mean, log_variance = vae(batch)
        reconstruction = F.mse_loss(decoded, batch, reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        loss = (reconstruction + 0.1 * divergence) / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(f"loss of the last batch: {loss.item():.2f}")
show_digits(vae.decoder(torch.randn(16, 8)), "digits from the VAE")

# %% [markdown]
# ## A generative adversarial network

# %%
generator = nn.Sequential(nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64), nn.Sigmoid())
critic = nn.Sequential(nn.Linear(64, 128), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(128, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=5e-4, betas=(0.5, 0.999))
for epoch in range(150):
    for real in images[torch.randperm(len(images))].split(128):
        fake = generator(torch.randn(len(real), 16))
        critic_loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()
        critic_optimizer.zero_grad()
        critic_loss.backward()
        critic_optimizer.step()
        generator_loss = F.softplus(-critic(fake)).mean()
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()
print(f"critic {critic_loss.item():.2f}, generator {generator_loss.item():.2f}")
show_digits(generator(torch.randn(16, 16)), "digits from the GAN")

# %% [markdown]
# ## A diffusion model

# %%
STEPS = 100
betas = torch.linspace(1e-4, 0.06, STEPS)
kept = torch.cumprod(1 - betas, 0)


class Denoiser(nn.Module):
    def __init__(self, width=256):
        super().__init__()
        self.time = nn.Embedding(STEPS, 64)
        self.net = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 64))

    def forward(self, x, t):
        return self.net(torch.cat([x, self.time(t)], 1))


denoiser = Denoiser()
optimizer = torch.optim.Adam(denoiser.parameters(), lr=1e-3)
scaled = images * 2 - 1
for epoch in range(300):
    for batch in scaled[torch.randperm(len(scaled))].split(256):
        t = torch.randint(STEPS, (len(batch),))
        noise = torch.randn_like(batch)
        noisy = kept[t].sqrt()[:, None] * batch + (1 - kept[t]).sqrt()[:, None] * noise
        loss = F.mse_loss(denoiser(noisy, t), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(f"loss of the last batch: {loss.item():.3f}")

# %%
x = torch.randn(16, 64)
with torch.no_grad():
    for t in reversed(range(STEPS)):
        predicted = denoiser(x, torch.full((16,), t))
        x = (x - betas[t] / (1 - kept[t]).sqrt() * predicted) / (1 - betas[t]).sqrt()
        if t:
            x = x + betas[t].sqrt() * torch.randn_like(x)
show_digits((x.clamp(-1, 1) + 1) / 2, "digits from the diffusion model")

# %% [markdown]
# ## Tests for the Markov chain

# %%
%%testgen build_chain
def build_chain(text, order):
    chain = {}
    for i in range(len(text) - order):
        chain.setdefault(text[i : i + order], []).append(text[i + order])
    return chain
