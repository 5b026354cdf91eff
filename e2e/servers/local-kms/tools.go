// Keeps the module that is built here in go.mod. See `build` beside this file.

//go:build tools

package tools

import _ "github.com/nsmithuk/local-kms"
