// Package images holds what goes into Hawser's container images besides
// programs: the start scripts of the image ovn. The images themselves are made
// by images/build.
package images

import "embed"

// Scripts has the start and health scripts of the image ovn in directory ovn.
//
//go:embed ovn/*.sh
var Scripts embed.FS
