// The order of updates, which an application keeps where its library does not:
// each update carries the state (pts) that it leads to. One that does not
// follow the state means that others are missing, and so does updatesTooLong;
// they are fetched as a difference.

export class Updates {
  #state
  #difference
  #deliver
  #pts = 0
  #date = 0
  #fetching = null

  /**
   * @param state returns {pts, date} of the server.
   * @param difference returns what is behind (pts, date): {messages, pts,
   *   date, more}, where more says that it has to be asked again.
   * @param deliver takes a message of the difference, or of take.
   */
  constructor({ state, difference, deliver }) {
    this.#state = state
    this.#difference = difference
    this.#deliver = deliver
  }

  /** Takes the state as it is now: what was before is not fetched. */
  async begin() {
    const { pts, date } = await this.#state()
    this.#pts = pts
    this.#date = date
  }

  /** Takes an update that leads to pts, is count of them and may be a message. */
  take(pts, count, message) {
    if (this.#pts === 0) return
    if (this.#fetching || pts - count > this.#pts) {
      this.fetch()
    } else if (pts > this.#pts) {
      this.#pts = pts
      if (message) this.#deliver(message)
    }
  }

  /** Fetches the difference, once more when it is asked for meanwhile. */
  fetch() {
    if (this.#pts === 0) return
    if (this.#fetching) {
      this.#fetching.again = true
      return
    }
    this.#fetching = { again: false }
    this.#catchUp()
      .catch((err) => console.error('difference', err))
      .finally(() => {
        const { again } = this.#fetching
        this.#fetching = null
        if (again) this.fetch()
      })
  }

  async #catchUp() {
    for (let more = true; more;) {
      const diff = await this.#difference(this.#pts, this.#date)
      for (const message of diff.messages) this.#deliver(message)
      this.#pts = diff.pts ?? this.#pts
      this.#date = diff.date ?? this.#date
      more = diff.more
    }
  }
}
