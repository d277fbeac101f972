// Two videos in step: the first leads, the other is brought back when it strays.
const inStep = (() => {
  const STRAYED = 1.5;  // frames between the two from which the other jumps
  const OFF = 0.5;  // and from which it hurries or waits

  // Both videos of one clip. Args: its frames per second and their number; `changed`, called when pictures change.
  return (leader, follower, rate, frames, changed) => {
    const both = [leader, follower];
    let speed = 1;
    let playing = false;
    let closed = false;

    // The middle of a frame, which no rounding of times puts into another one.
    const moment = (frame) => (frame + 0.5) / rate;
    const frameAt = (time) => Math.max(0, Math.min(frames - 1, Math.floor(time * rate + 1e-3)));
    const seeking = () => both.some((video) => video.seeking);
    const ready = () => target === null && both.every((video) => video.readyState >= 2 && !video.seeking);

    // One seek at a time: of many at once a browser may end none. The last frame asked for meanwhile comes next.
    let target = null;
    let sent = null;
    const seek = (frame) => {
      target = Math.max(0, Math.min(frames - 1, frame));
      if (seeking()) return;
      sent = target;
      for (const video of both) video.currentTime = moment(target);
    };
    const settle = () => {
      if (target === null || seeking()) return;
      if (sent === target) target = null;
      else seek(target);
    };

    const start = () => {
      for (const video of both) {
        video.playbackRate = speed;
        video.play().catch(() => {});  // another call has paused it
      }
    };

    const correct = () => {
      const drift = (follower.currentTime - leader.currentTime) * rate;
      if (follower.ended || follower.seeking) return;
      if (Math.abs(drift) > STRAYED) follower.currentTime = leader.currentTime;
      follower.playbackRate = Math.abs(drift) > OFF ? speed * (drift > 0 ? 0.9 : 1.1) : speed;
    };

    const tick = () => {
      if (closed) return;
      if (playing) {
        if (leader.ended) {
          for (const video of both) video.pause();
          seek(0);
        } else if (leader.paused) {
          if (ready()) start();
        } else {
          correct();
        }
        requestAnimationFrame(tick);
      }
      changed();
    };

    const step = {
      get playing() { return playing; },
      get frame() { return target ?? frameAt(leader.currentTime); },
      get drift() { return (follower.currentTime - leader.currentTime) * rate; },
      play() {
        if (playing || closed) return;
        playing = true;
        if (step.frame === frames - 1) seek(0);
        tick();
      },
      pause() {
        if (!playing) return;
        playing = false;
        for (const video of both) video.pause();
        seek(step.frame);
        changed();
      },
      seek(frame) {
        if (playing) for (const video of both) video.pause();  // `tick` starts them together, when both are there
        seek(frame);
        changed();
      },
      set speed(value) {
        speed = value;
        for (const video of both) video.playbackRate = value;
      },
      close() {
        closed = true;
        playing = false;
        for (const video of both) {
          video.pause();
          video.removeAttribute("src");  // a browser has few decoders
          video.load();
        }
      },
    };
    for (const video of both) {
      for (const event of ["loadeddata", "seeked"]) {
        video.addEventListener(event, () => {
          if (closed) return;
          settle();
          changed();
        });
      }
    }
    return step;
  };
})();
