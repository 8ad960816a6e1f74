// GramJS as a client program: releases of 2022 (layer 143), of 2024 (181), and
// the newest (198).

import { run } from '../js/gramjs.mjs'

run((release, path) => import(`telegram-${release}/${path}`))
