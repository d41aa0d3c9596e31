'use strict';
// Vaultwarden's limit on token requests: a burst, then one every so many
// seconds (generic cell rate algorithm, counted for the one loopback address).

class Limiter {
  constructor() {
    this.enabled = false;
    this.burst = 10;
    this.seconds = 60;
    this.offset = 0; // how far tests have moved this limiter's clock
    this.reset();
  }

  reset() { this.free = -Infinity; }

  now() { return performance.now() / 1000 + this.offset; }

  configure({ enabled = true, burst, seconds, advance }) {
    this.enabled = enabled;
    if (burst !== undefined) this.burst = burst;
    if (seconds !== undefined) this.seconds = seconds;
    if (advance !== undefined) this.offset += advance;
    else this.reset();
  }

  // True when one more request is allowed; counts it.
  allow() {
    if (!this.enabled) return true;
    const now = this.now();
    const free = Math.max(this.free, now);
    if (free - now > (this.burst - 1) * this.seconds) return false;
    this.free = free + this.seconds;
    return true;
  }
}

module.exports = { Limiter };
