// teleproto 1.223.1, a fork of GramJS for layer 223, as a client program.

import { run } from '../js/gramjs.mjs'

run((release, path) => import(`teleproto/${path}`))
