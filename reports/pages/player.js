// Videos that play while they are seen, and a plain sentence where a browser cannot play one. In a page:
//   <video data-player muted loop playsinline controls preload="none" width=… height=… poster="clip.webp" src="clip.mp4"></video>
// data-rate="0.25" plays it at a quarter of its speed. A video that its reader stops stays stopped. Who wants less motion
// starts each one with its controls; so does who has switched scripts off.
"use strict";
const player = (() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const H264 = 'video/mp4; codecs="avc1.640028"';
  const stopped = new WeakSet();  // by the reader
  const unseen = new WeakSet();

  // The sentence in the place of a video, below its poster.
  const refuse = (video, why) => {
    const address = video.getAttribute("src") ?? "";
    const file = document.createElement("a");
    file.href = address;
    file.textContent = decodeURIComponent(address.split("/").pop());
    const sentence = document.createElement("p");
    sentence.className = "unplayable";
    if (video.poster) {
      const still = new Image();
      still.src = video.poster;
      still.alt = video.getAttribute("aria-label") ?? "";
      sentence.append(still);
    }
    sentence.append(`${why}; the file is `, file, ".");
    video.replaceWith(sentence);
  };

  // Whether the browser has the codec; where it has not, the sentence takes the place of the video.
  const playable = (video) => {
    if (video.canPlayType(H264)) return true;
    refuse(video, "This browser cannot play H.264");
    return false;
  };

  const start = (video) => {
    if (!stopped.has(video) && !unseen.has(video)) video.play().catch(() => {});  // its controls are there
  };

  const seen = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) {
        unseen.delete(target);
        start(target);
      } else {
        unseen.add(target);
        target.pause();
      }
    }
  }, { threshold: 0.25 });

  const setUp = (video) => {
    if (!playable(video)) return;
    video.defaultPlaybackRate = video.playbackRate = Number(video.dataset.rate ?? 1);
    if (calm.matches) stopped.add(video);
    video.addEventListener("play", () => stopped.delete(video));
    video.addEventListener("pause", () => {
      if (video.paused && !unseen.has(video)) stopped.add(video);
    });
    seen.observe(video);
  };

  document.addEventListener("error", ({ target }) => {
    if (target instanceof HTMLVideoElement && target.isConnected) {
      refuse(target, "This video is missing or damaged, or the browser cannot play H.264");
    }
  }, true);
  calm.addEventListener("change", () => {
    if (calm.matches) for (const video of document.querySelectorAll("video[data-player]")) video.pause();
  });
  for (const video of document.querySelectorAll("video[data-player]")) setUp(video);
  return { playable, calm };
})();
