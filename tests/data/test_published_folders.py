"""Data sets whose files are folders: their digest, and how they get their final names."""

from pathlib import Path

from wavelit_plugin.data.store import Workshop, digest


def test_the_digest_of_a_folder_covers_names_and_contents(tmp_path: Path) -> None:
    def folder(name: str, **files: str) -> str:
        for file, text in files.items():
            path = tmp_path / name / file.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return digest(tmp_path / name)

    base = folder("base", a="1", b__c="2")
    assert folder("same", b__c="2", a="1") == base
    others = [
        folder("content", a="1", b__c="3"), folder("name", a="1", b__d="2"),
        folder("moved", a="1", c="2"), folder("more", a="1", b__c="2", e=""),
        folder("border", a="1b", b__c=""),
    ]  # fmt: skip
    assert len({base, *others}) == 1 + len(others)


def test_folders_and_files_replace_each_other(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for turn, (kind, text) in enumerate(
        (("folder", "1"), ("folder", "2"), ("file", "3"), ("folder", "4"))
    ):
        workshop = Workshop(out, f"key{turn}")
        workshop.open()
        made = workshop.files / "data"
        if kind == "folder":
            made.mkdir()
            made /= "inner"
        made.write_text(text, encoding="utf-8")
        (workshop.files / "facts.json").write_text("{}", encoding="utf-8")
        workshop.publish(("data",), "facts.json")
        final = out / "data" / "inner" if kind == "folder" else out / "data"
        assert final.read_text(encoding="utf-8") == text
        assert sorted(path.name for path in out.iterdir()) == ["data", "facts.json"]
