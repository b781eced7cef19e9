// The fleet changes by itself, so its pages do too.

import { keepFresh } from "./live.js";

keepFresh(2000);
