package oci

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// inode tells two names of one file from two files.
type inode struct{ device, number uint64 }

// layerWriter turns a directory into a layer.
type layerWriter struct {
	root  string
	tar   *tar.Writer
	first map[inode]string // where a file with several names was written
}

// writeLayer writes everything below root, in the order of the names.
func writeLayer(w io.Writer, root string) error {
	l := layerWriter{root: root, tar: tar.NewWriter(w), first: map[inode]string{}}
	if err := filepath.WalkDir(root, l.entry); err != nil {
		return fmt.Errorf("layer %s: %w", root, err)
	}
	return l.tar.Close()
}

func (l *layerWriter) entry(path string, d fs.DirEntry, err error) error {
	if err != nil || path == l.root {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	header, err := l.header(path, info)
	if err != nil {
		return err
	}
	if err := l.tar.WriteHeader(header); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		return nil
	}
	return l.content(path)
}

// header describes one entry by nothing that differs between two machines:
// the type, the mode, the name and the target.
func (l *layerWriter) header(path string, info fs.FileInfo) (*tar.Header, error) {
	if !info.Mode().IsRegular() && !info.IsDir() && info.Mode()&fs.ModeSymlink == 0 {
		return nil, fmt.Errorf("%s: neither a file nor a directory nor a symbolic link", path)
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(path); err != nil {
			return nil, err
		}
	}
	full, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Rel(l.root, path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		name += "/"
	}
	header := &tar.Header{
		Typeflag: full.Typeflag, Name: name, Linkname: target,
		Size: full.Size, Mode: full.Mode, ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	}
	l.link(header, info)
	return header, nil
}

// link makes the header a hard link when the file was written before under
// another name.
func (l *layerWriter) link(header *tar.Header, info fs.FileInfo) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || header.Typeflag != tar.TypeReg || stat.Nlink < 2 {
		return
	}
	id := inode{stat.Dev, stat.Ino}
	if first, seen := l.first[id]; seen {
		header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
		return
	}
	l.first[id] = header.Name
}

func (l *layerWriter) content(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(l.tar, file)
	return err
}
