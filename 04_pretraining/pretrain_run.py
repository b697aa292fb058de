"""One training that can be stopped at any step and resumed on any number of processes."""

import hashlib
import json
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from pretrain_engine import Place, build_loaders, build_optimizer, distribute, open_windows
from pretrain_folder import cut_log, same_run
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_optimizer_state_dict,
)

from shared.checkpoints import check_fit, list_checkpoints, read_checkpoint, save_checkpoint
from shared.gpt import GPTConfig, GPTModel
from shared.kit.files import own
from shared.kit.shard_manifest import check_sums, read_manifest
from shared.planning import accumulation_for
from shared.schedules import attach_clipping, attach_schedule
from shared.training import train_model
from shared.training_state import TrainingState, random_states


@dataclass(frozen=True)
class Settings:
    """What a run has to know besides its model's configuration: options of pretrain.py."""

    data: Path
    out: Path
    epochs: int
    global_batch: int
    batch_size: int
    lr: float
    warmup: int
    clip: float
    weight_decay: float
    seed: int
    eval_every: int
    eval_sequences: int
    save_every: int
    keep: int
    stop_after: int | None
    fsdp: bool
    bfloat16: bool
    compile: bool


@dataclass
class Whole:
    """A model or an optimizer gathered from all processes, as save_checkpoint wants it."""

    content: dict[str, Any]
    cfg: GPTConfig

    def state_dict(self) -> dict[str, Any]:
        return self.content


class Run:
    """One training: what is called after each step, and how it is saved and resumed."""

    def __init__(self, settings: Settings, cfg: GPTConfig, place: Place) -> None:
        self.settings = settings
        self.cfg = cfg
        self.place = place
        self.stopping = 0  # the number of the signal that has come
        self.exit_code = 0
        self.owned = own(settings.out) if place.rank == 0 else None  # the first process writes
        self.tokens_a_step = settings.global_batch * cfg.context_length
        self.accumulation_steps = accumulation_for(
            settings.global_batch, settings.batch_size, place.world_size
        )
        windows, val_windows = open_windows(
            settings.data, cfg.context_length, settings.global_batch
        )
        self.train_loader, self.val_loader = build_loaders(
            windows, val_windows, settings.batch_size, settings.seed, place
        )
        self.check_data()
        self.steps_an_epoch = len(self.train_loader) // self.accumulation_steps
        self.total_steps = settings.epochs * self.steps_an_epoch
        torch.manual_seed(settings.seed)
        self.plain = GPTModel(cfg)
        self.state, moments = self.read_last()
        if place.rank == 0:
            cut_log(settings.out, self.state.global_step)
        self.plain.to(place.device)
        if settings.compile:
            self.plain.compile()
        self.model = distribute(
            self.plain, place, self.accumulation_steps, settings.fsdp, settings.bfloat16
        )
        self.optimizer = self.prepare_optimizer(moments)
        self.draw_anew(self.state.global_step + 1)
        self.state.random = random_states(self.train_loader)
        self.state.epoch_random = self.state.random
        self.clock = time.perf_counter()

    def check_data(self) -> None:
        """Raise ValueError for damaged data, or other data or another seed than the run's own."""
        manifest = read_manifest(self.settings.data)
        largest = manifest["largest_id"]
        if largest >= self.cfg.vocab_size:
            raise ValueError(
                f"{self.settings.data} holds the id {largest}, but the model has "
                f"{self.cfg.vocab_size} tokens: give --vocabulary {largest + 1} or more"
            )
        if self.place.rank == 0:
            check_sums(self.settings.data)
            sums = "".join(shard["sha256"] for shard in manifest["shards"])
            data = hashlib.sha256(sums.encode()).hexdigest()[:12]
            facts = {"--seed": self.settings.seed, "data of check sum": data}
            same_run(self.settings.out, facts, begun=bool(list_checkpoints(self.settings.out)))

    def read_last(self) -> tuple[TrainingState, dict[str, Any] | None]:
        """The last checkpoint's state, for this number of processes, and its optimizer's content.

        The weights are loaded. Raises ValueError if the checkpoint was made with another batch, by
        another program, or has no step left to do before --stop-after.
        """
        checkpoints = list_checkpoints(self.settings.out)
        if not checkpoints:
            return TrainingState(), None
        saved = read_checkpoint(checkpoints[-1])
        check_fit(checkpoints[-1], saved, self.plain)
        state = TrainingState(**saved["state"])
        done = state.global_step + 1
        if state.tokens_seen != done * self.tokens_a_step:
            global_batch = state.tokens_seen // done // self.cfg.context_length
            raise ValueError(
                f"{self.settings.out} made {done} steps with --global-batch {global_batch}, not "
                f"{self.settings.global_batch}: keep it, or begin a new run with another --out"
            )
        if self.settings.stop_after is not None and done >= self.settings.stop_after:
            raise ValueError(
                f"{self.settings.out} has made {done} steps, which leaves nothing of --stop-after "
                f"{self.settings.stop_after}: give a larger one, or leave it out"
            )
        numbered = [
            name for group in saved["optimizer"]["param_groups"] for name in group["params"]
        ]
        if not all(isinstance(name, str) for name in numbered):
            raise ValueError(
                f"{checkpoints[-1]} was not saved by pretrain.py but by a notebook's run, which "
                "numbers its weights: begin a new run with another --out"
            )
        self.plain.load_state_dict(saved["model"])
        state.epoch, steps = divmod(done, self.steps_an_epoch)
        state.batch = steps * self.accumulation_steps
        state.tokens_seen //= self.place.world_size
        print(f"resumed after step {state.global_step} from {checkpoints[-1].name}")
        return state, saved["optimizer"]

    def prepare_optimizer(self, moments: dict[str, Any] | None) -> torch.optim.AdamW:
        """The optimizer where the checkpoint left it, with the rate that the settings ask for."""
        settings = self.settings
        optimizer = build_optimizer(self.model, settings.lr, settings.weight_decay)
        if moments is not None:
            options = StateDictOptions(full_state_dict=True)
            set_optimizer_state_dict(self.model, optimizer, moments, options=options)
        for group in optimizer.param_groups:
            group["initial_lr"] = settings.lr
            group["lr"] = settings.lr
        done = self.state.global_step + 1
        attach_clipping(optimizer, self.model, settings.clip)
        attach_schedule(
            optimizer,
            total_steps=max(self.total_steps, done + 1),
            warmup_steps=min(settings.warmup, self.total_steps - 1),
            minimum=settings.lr / 10,
            first_step=done,
        )
        return optimizer

    def draw_anew(self, step: int) -> None:
        """Seed this process's dropout for a step, so that a resumed run draws the same."""
        seed = (self.settings.seed * 1_000_003 + step) * 10_007 + self.place.rank
        torch.manual_seed(seed)

    def save(self, state: TrainingState) -> None:
        """Gather the run from all processes; the first one writes it."""
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights, moments = get_state_dict(self.model, self.optimizer, options=options)
        if self.place.rank > 0:
            return
        whole = replace(state, tokens_seen=state.tokens_seen * self.place.world_size)
        path = self.settings.out / f"step_{state.global_step:08d}.pt"
        save_checkpoint(path, Whole(weights, self.cfg), Whole(moments, self.cfg), whole)
        for old in list_checkpoints(self.settings.out)[: -self.settings.keep]:
            if old != path:
                old.unlink()

    def log(self, step: int, loss: float) -> None:
        """Add a line on a step to log.jsonl."""
        now = time.perf_counter()
        line = {
            "step": step,
            "loss": loss,
            "tokens": (step + 1) * self.tokens_a_step,
            "tokens_a_second": self.tokens_a_step / (now - self.clock),
        }
        self.clock = now
        with open(self.settings.out / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def after_step(self, state: TrainingState) -> None:
        """Log the step, save if it is time, stop all processes together if one was told to."""
        numbers = torch.tensor([state.loss, float(self.stopping > 0)], dtype=torch.float64)
        numbers = numbers.to(self.place.device)
        if self.place.world_size > 1:
            dist.all_reduce(numbers)  # the sum over the processes
        loss, told_to_stop = numbers.tolist()
        done = state.global_step + 1
        stop = told_to_stop > 0 or done == self.settings.stop_after
        if self.place.rank == 0:
            self.log(state.global_step, loss / self.place.world_size)
        if stop or done % self.settings.save_every == 0 or done == self.total_steps:
            self.save(state)
        self.draw_anew(done)
        if told_to_stop > 0 and done < self.total_steps:
            self.exit_code = 128 + (self.stopping or signal.SIGTERM)  # as a shell counts it
        if stop:
            raise KeyboardInterrupt  # train_model ends there and keeps what was learned

    def start(self) -> int:
        """Train to the end, or until a signal asks to stop; 0, or 128 and the signal's number."""

        def stop(number: int, *_: Any) -> None:
            self.stopping = number  # after this step, by all processes together

        before = {name: signal.signal(name, stop) for name in (signal.SIGTERM, signal.SIGINT)}
        try:
            train_model(
                self.model,
                self.train_loader,
                self.val_loader,
                self.optimizer,
                self.place.device,
                num_epochs=self.settings.epochs,
                eval_freq=self.settings.eval_every,
                eval_iter=max(1, self.settings.eval_sequences // self.settings.batch_size),
                start_context=None,
                tokenizer=None,
                accumulation_steps=self.accumulation_steps,
                state=self.state,
                after_step=self.after_step,
                progress=self.place.rank == 0,
            )
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
        return self.exit_code
