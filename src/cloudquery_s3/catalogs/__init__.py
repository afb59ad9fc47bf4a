"""Tables out of objects: what a catalogue or an engine has to be told so that a reader can `SELECT`.

`iceberg` and `glue` register what a Write has put, at its end; `ddl` writes SQL for people to run.
"""
